"""May an expression be run on a value? What it could cost at the most is estimated before it runs. Pure.

The library counts the turns of loops, not what is done in each: a rule that copies a large object ten thousand times
would take all memory. So the size of the data, multiplied by the turns that loops over it may take, has a limit.
"""

from __future__ import annotations

import re
from typing import Any, Final

LONGEST: Final = 16 * 1024  # characters of an expression
MOST_WORK: Final = 256 * 1024 * 1024  # characters touched or copied, at a guess that is rather too high
MOST_TURNS: Final = 10_000  # of all loops of an expression together; the library ends it there
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


def measure(value: Any) -> tuple[int, int]:
    """Pure: (characters, about; the length of the longest list or map) of a JSON value.

    >>> measure({"a": [1, 2, 3], "b": "xyz"})
    (37, 3)
    """
    size, longest, todo = 0, 0, [value]
    while todo:
        one = todo.pop()
        size += 4
        if isinstance(one, str | bytes):
            size += len(one)
        elif isinstance(one, list):
            longest = max(longest, len(one))
            todo += one
        elif isinstance(one, dict):
            longest = max(longest, len(one))
            size += sum(map(len, one)) + 4 * len(one)
            todo += one.values()
    return size, longest


def problem(expression: str, values: Any) -> str:
    """Pure: why an expression is not run; "" if it is.

    >>> problem("self.l.all(x, x > 0)", {"l": [1] * 100})
    ''
    >>> problem("self.l.map(x, self.s + self.s)", {"l": [1] * 9000, "s": "x" * 100000})
    'operation cancelled: actual cost limit exceeded'
    """
    code = bare(expression)
    for found in _RANGE.finditer(code):
        if found[1] is None or int(found[1]) > MOST_TURNS:
            return EXCEEDED
    size, longest = measure(values)
    size += len(expression)
    loops, binds, sums = len(_LOOP.findall(code)), len(_BIND.findall(code)), code.count("+")
    turns = min(max(longest, code.count(",") + 1, 2) ** loops, MOST_TURNS) if loops else 1
    growth = (sums // binds + 2) ** min(binds, 40) if binds else 1
    copies = 1 + sums + 64 * code.count("replace(") + 16 * code.count("join(")
    return EXCEEDED if size * turns * growth * copies > MOST_WORK else ""


EXCEEDED: Final = "operation cancelled: actual cost limit exceeded"
