"""Shell: variables, quotes and backslashes of a Dockerfile's words, as BuildKit's lexer understands them. Pure.

::

    $name ${name}                 the value, "" if there is none
    ${name:-word} ${name-word}    word if the name has no value (or, with the colon, an empty one)
    ${name:+word} ${name+word}    word if it has one
    ${name:?word} ${name?word}    an error with these words if it has none
    ${name#p} ${name##p}          without the shortest (longest) beginning that fits the pattern; % and %% the end
    ${name/p/new} ${name//p/new}  the first (every) fitting part replaced
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from corral.build.dockerfile.lexer import Lexer, Rules

__all__ = ["Expansion", "Rules", "expand", "split"]
_SPECIAL = re.compile(r"[$'\"\\`]")


class Expansion(NamedTuple):
    text: str
    used: frozenset[str]  # names that had a value
    missing: frozenset[str]  # names that had none


def expand(text: str, values: Mapping[str, str], rules: Rules = Rules()) -> Expansion:  # noqa: B008
    """One word for one word. BuildFailed, in BuildKit's words, if it can't be read.

    >>> expand("${a:-1}/$b", {"b": "x y"})
    Expansion(text='1/x y', used=frozenset({'b'}), missing=frozenset({'a'}))
    >>> expand('"${v%.*}" \\\\$v', {"v": "1.2"}).text
    '1 $v'
    """
    if not _SPECIAL.search(text):
        return Expansion(text, frozenset(), frozenset())
    lexer = Lexer(text, values, rules, words=False)
    found, _ = lexer.run()
    return Expansion(found, frozenset(lexer.used), frozenset(lexer.missing))


def split(text: str, values: Mapping[str, str], rules: Rules = Rules()) -> list[str]:  # noqa: B008
    """Words, cut at blanks after the variables were filled in; quoted blanks do not cut.

    >>> split('80 $more "a b"', {"more": "81 82"})
    ['80', '81', '82', 'a b']
    """
    return Lexer(text, values, rules, words=True).run()[1]
