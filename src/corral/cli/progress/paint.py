"""The picture of a build on a terminal: finished work in one line with its time, the last lines of what runs."""

from __future__ import annotations

import re

from corral.cli.progress.work import transfer
from corral.cli.render import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from corral.cli.progress.work import Work

TAIL = 6  # lines of output below work that runs
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]")
BLUE, RED, GREY, BOLD, PLAIN = "\033[34m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"


def clean(text: str) -> str:
    """Without what would move the cursor. Pure.

    >>> clean("a\\x1b[31mb\\tc\\x07")
    'ab    c'
    """
    return ESCAPES.sub("", text.replace("\t", "    "))


def cut(text: str, width: int) -> str:
    """Pure: as much as fits.

    >>> cut("abcdef", 4), cut("abc", 4)
    ('abc…', 'abc')
    """
    return text if columns(text) <= width else fitting(text, width - 1) + "…"


def columns(text: str) -> int:
    """How wide it is on a terminal. Pure: wide letters take two columns, accents none.

    >>> columns("aé日")
    4
    """
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def fitting(text: str, width: int) -> str:
    end = max(width, 0)
    while end and columns(text[:end]) > width:
        end -= 1
    return text[:end]


def row(left: str, right: str, width: int) -> str:
    """Pure: a line whose end stands at the right edge.

    >>> row(" => RUN make", "1.2s", 24)
    ' => RUN make        1.2s'
    >>> row(" => RUN make everything", "1.2s", 18)
    ' => RUN make… 1.2s'
    """
    room = width - len(right) - 1
    left = cut(left, room)
    return left + " " * (room - columns(left)) + " " + right


def paint_work(work: Work, now: float, width: int, tail: int) -> list[str]:
    """Pure: one piece of work: its line, and below it what it says while it runs."""
    mark = "ERROR " if work.error and "context canceled" not in work.error else "CANCELED " if work.error else ""
    mark = "CACHED " if work.cached else mark
    head = row(f" => {mark}{clean(work.name)}", f"{work.took(now):.1f}s", width)
    lines = [(RED if work.error else BLUE if work.ended else "") + head + PLAIN]
    if work.ended:
        return lines
    moving = [move for move in work.moves.values() if not move.get("total") or move.get("current", 0) < move["total"]]
    for move in moving[-tail:]:
        lines.append(GREY + cut(f" => => {clean(transfer(move, decimal_size))}", width) + PLAIN)
    said = [line for _, line in work.log[-tail:]]
    begun = work.lines[1].begun or work.lines[2].begun
    said = ([*said, begun] if begun else said)[-tail:]
    return lines + [GREY + cut(f" => => # {clean(line)}", width) + PLAIN for line in said]


def paint(all_work: Sequence[Work], began: float, now: float, rows: int, width: int, *, state: str = "") -> list[str]:
    """Pure: the picture, at most `rows` lines: where that is too few, the oldest finished work is left out.

    >>> from corral.cli.progress.work import Work
    >>> work = Work(1, "[1/1] RUN make", 0.0)
    >>> work.log.append((0.5, "cc -c a.c"))
    >>> import re
    >>> for line in paint([work], 0.0, 2.0, 10, 32): print(re.sub("\\033.*?m", "", line))
    [+] Building 2.0s (0/1)
     => [1/1] RUN make          2.0s
     => => # cc -c a.c
    """
    done = sum(1 for work in all_work if work.ended)
    failed = any(work.error for work in all_work)
    count = f"({done}/{len(all_work)}){' FINISHED' if state == 'done' and not failed else ''}"
    head = BOLD + cut(f"[+] Building {now - began:.1f}s {count}", width) + PLAIN
    room = max(1, rows - 1)
    running = sum(1 for work in all_work if not work.ended)
    tail = max(0, min(TAIL, (room - running) // max(1, running)))
    blocks = [paint_work(work, now, width, tail) for work in all_work]
    surplus = sum(map(len, blocks)) - room
    for place, work in enumerate(all_work):
        if surplus <= 0:
            break
        if work.ended:
            surplus -= len(blocks[place])
            blocks[place] = []
    lines = [line for block in blocks for line in block]
    return [head, *lines[max(0, len(lines) - room) :]]
