"""A build drawn on a terminal: the picture is written over at most ten times a second, and never larger than it."""

from __future__ import annotations

from corral.cli.progress.paint import paint
from corral.cli.progress.work import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from corral.cli.progress.work import Event

PACE = 0.1  # seconds between two pictures


class Live:
    """`size` gives rows and columns, each time anew: terminals are resized."""

    def __init__(self, write: Callable[[str], object], size: Callable[[], tuple[int, int]], began: float) -> None:
        self.watch = Watch()
        self._write, self._size, self._began = write, size, began
        self._drawn = 0  # lines that are on the screen
        self._latest = 0.0
        self._width = 0

    def take(self, event: Event, now: float) -> None:
        self.watch.take(event, now)
        self.tick(now)

    def tick(self, now: float) -> None:
        if now - self._latest >= PACE:
            self._draw(now)

    def end(self, now: float) -> None:
        """The last picture holds everything, however long it is: it scrolls, and is not written over."""
        self._draw(now, last=True)

    def _draw(self, now: float, *, last: bool = False) -> None:
        rows, width = self._size()
        rows, width = rows or 24, width or 80
        work = list(self.watch.all.values())
        limit = len(work) * 20 + 2 if last else max(2, rows - 1)
        lines = paint(work, self._began, now, limit, max(10, width - 1), state="done" if last else "")
        up = f"\033[{self._drawn}A" if self._drawn else ""
        body = "".join(f"\033[K{line}\n" for line in lines)
        self._write(f"\033[?25l{up}\r{body}\033[J\033[?25h")
        self._drawn, self._latest = min(len(lines), rows - 1), now
