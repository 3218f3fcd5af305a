"""May an expression be run on a value? What it could cost at the most is estimated before it runs. Pure.

The library counts the turns of loops, not what is done in each: a rule that copies a large object ten thousand times
would take all memory. So the size of the data, multiplied by the turns that loops over it may take, has a limit; what
is over it by this guess from the expression's text is looked at closely (`bounds`).
"""

from __future__ import annotations

import re
from typing import Any, Final

from corral.cluster.apiserver.cel.bounds import MOST_TURNS, measure

LONGEST: Final = 16 * 1024  # characters of an expression
MOST_WORK: Final = 256 * 1024 * 1024  # characters touched or copied, at a guess that is rather too high
MOST_STEPS: Final = MOST_WORK // 10  # as `bounds` counts them
_LOOP: Final = re.compile(
    r"\.\s*(all|exists|exists_one|existsOne|map|filter|transformList|transformMap|transformMapEntry|sortBy)\s*\("
)
_BIND: Final = re.compile(r"\bcel\s*\.\s*bind\s*\(")
_RANGE: Final = re.compile(r"\blists\s*\.\s*range\s*\(\s*(\d+)?")
_TEXT: Final = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")


def bare(expression: str) -> str:
    """Pure: an expression without what stands in its texts.

    >>> bare("self.a == 'x.map('")
    "self.a == ''"
    """
    return _TEXT.sub("''", expression)


def endless(expression: str) -> bool:
    """Pure: does it make a list of which nothing says that it is short?

    >>> endless("lists.range(5).all(x, x > 0)"), endless("lists.range(self.a).all(x, x > 0)")
    (False, True)
    """
    ranges = _RANGE.finditer(bare(expression))
    return any(found[1] is None or int(found[1]) > MOST_TURNS for found in ranges)


def looks_dear(expression: str, values: Any) -> bool:
    """Pure: could it take too much, by its text and by how much data there is?

    >>> looks_dear("self.l.all(x, x > 0)", {"l": [1] * 100})
    False
    >>> looks_dear("self.l.map(x, self.s + self.s)", {"l": [1] * 9000, "s": "x" * 100000})
    True
    """
    code = bare(expression)
    size, longest = measure(values)
    size += len(expression)
    loops, binds, sums = len(_LOOP.findall(code)), len(_BIND.findall(code)), code.count("+")
    turns = min(max(longest, code.count(",") + 1, 2) ** loops, MOST_TURNS) if loops else 1
    growth = (sums // binds + 2) ** min(binds, 40) if binds else 1
    copies = 1 + sums + 64 * code.count("replace(") + 16 * code.count("join(")
    return size * turns * growth * copies > MOST_WORK


EXCEEDED: Final = "operation cancelled: actual cost limit exceeded"
