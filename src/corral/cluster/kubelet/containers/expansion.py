"""$(NAME) in commands, arguments and variables. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PATTERN = re.compile(r"\$\$|\$\(([^)]*)\)")


def expand(text: str, known: Mapping[str, str]) -> str:
    """What is not known stays as it is; two dollar signs are one that means nothing.

    >>> expand("a $(X) $(Y) $$(X) $X", {"X": "1"})
    'a 1 $(Y) $(X) $X'
    """

    def one(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        return known.get(found[1], found[0])

    return _PATTERN.sub(one, text)
