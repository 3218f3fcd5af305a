"""Words as a Dockerfile reads them: quotes, backslashes, and $VARIABLES from what was set before."""

from __future__ import annotations

import re
from collections.abc import Mapping

from corral.errors import InvalidInput

_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+?])([^}]*))?\})")


def split_words(line: str) -> list[str]:
    """Pure: the words of a line, with their quotes still on. InvalidInput for a quote that is not closed.

    >>> split_words('a=1 b="x y" c=it\\\\ is')
    ['a=1', 'b="x y"', 'c=it\\\\ is']
    """
    words: list[str] = []
    word, quote, escaped = "", "", False
    for character in line:
        if escaped:
            escaped, word = False, word + character
        elif character == "\\" and quote != "'":
            escaped, word = True, word + character
        elif quote:
            quote, word = ("" if character == quote else quote), word + character
        elif character in " \t":
            words, word = words + ([word] if word else []), ""
        else:
            quote, word = (character if character in "\"'" else ""), word + character
    if quote:
        raise InvalidInput(f"unexpected end of statement while looking for matching {_name(quote)}")
    return words + ([word] if word else [])


def _name(quote: str) -> str:
    return "double-quote" if quote == '"' else "single-quote"


def expand(word: str, variables: Mapping[str, str]) -> str:
    """Pure: a word without its quotes, its variables replaced; nothing is replaced in single quotes.

    >>> expand('"$HOME/x":${PORT:-80}', {"HOME": "/root"}), expand("'$HOME'", {}), expand("\\\\$HOME", {})
    ('/root/x:80', '$HOME', '$HOME')
    """
    result, position, quote = "", 0, ""
    while position < len(word):
        character = word[position]
        if quote == "'":
            found = word.find("'", position)
            result, position, quote = result + word[position:found], found + 1, ""
        elif character == "\\" and position + 1 < len(word):
            follower = word[position + 1]
            keep = quote and follower not in '"$\\'
            result, position = result + (character if keep else "") + follower, position + 2
        elif character in ('"', "'") and (not quote or character == quote):
            quote, position = ("" if quote else character), position + 1
        elif character == "$" and (variable := _VARIABLE.match(word, position)):
            result, position = result + _value(variable, variables), variable.end()
        else:
            result, position = result + character, position + 1
    return result


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, operator, word = found[1] or found[2], found[3], found[4] or ""
    value = variables.get(name, "")
    if operator == "-":
        return value or expand(word, variables)
    if operator == "+":
        return expand(word, variables) if value else ""
    if operator == "?" and not value:
        raise InvalidInput(f"{name}: {word or 'not set'}")
    return value
