"""A build as plain lines: "#5 [build 2/3] RUN make", "#5 0.123 output", "#5 DONE 0.2s"."""

from __future__ import annotations

from corral.cli.progress.work import Watch, Work, transfer
from corral.cli.render import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from corral.cli.progress.work import Event

IDLE = 3.0  # seconds of silence after which the lines of other work are shown between


def stamp(seconds: float) -> str:
    """When a line came. Pure.

    >>> stamp(0.1234), stamp(12.345), stamp(123.45)
    ('0.123', '12.35', '123.5')
    """
    return f"{seconds:.{3 if seconds < 10 else 2 if seconds < 100 else 1}f}"


def outcome(work: Work) -> str:
    """Pure: how it ended."""
    if work.error:
        return "CANCELED" if "context canceled" in work.error else f"ERROR: {work.error}"
    return "CACHED" if work.cached else f"DONE {work.took(0):.1f}s"


class Plain:
    """Lines of work that goes on at the same time are kept together: one is shown, the others wait.

    >>> out = []
    >>> shown = Plain(out.append)
    >>> for now, event in enumerate((
    ...     {"type": "Started", "vertex": 1, "name": "[a 1/1] RUN x"},
    ...     {"type": "Started", "vertex": 2, "name": "[b 1/1] RUN y"},
    ...     {"type": "Printed", "vertex": 2, "data": "eQo="},
    ...     {"type": "Printed", "vertex": 1, "data": "eAo="},
    ...     {"type": "Finished", "vertex": 1},
    ...     {"type": "Finished", "vertex": 2, "cached": True},
    ... )):
    ...     shown.take(event, now / 10)
    >>> print("".join(out), end="")
    #1 [a 1/1] RUN x
    #1 0.300 x
    #1 DONE 0.4s
    <BLANKLINE>
    #2 [b 1/1] RUN y
    #2 0.100 y
    #2 CACHED
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self.watch = Watch()
        self._write = write
        self._waiting: dict[Work, list[str]] = {}
        self._shown: Work | None = None
        self._first = True
        self._last = 0.0  # when the shown one said something

    def take(self, event: Event, now: float) -> None:
        work = self.watch.take(event, now)
        if work is None:
            return
        lines = self._waiting.setdefault(work, [])
        lines += [f"{stamp(at)} {line}" for at, line in work.fresh]
        if event["type"] == "Moved" and _worth_a_line(event):
            lines.append(transfer(event, decimal_size))
        elif event["type"] == "Finished":
            lines.append(outcome(work))
        self._show(work, now)

    def tick(self, now: float) -> None:
        """Lines do not change with time."""

    def end(self, now: float) -> None:
        for work in list(self._waiting):
            if self._waiting[work]:
                self._turn_to(work, now)

    def _show(self, work: Work, now: float) -> None:
        shown = self._shown
        if shown is None or shown is work or (self._waiting.get(work) and now - self._last > IDLE):
            self._turn_to(work, now)
        if self._shown is not None and self._shown.ended:
            self._shown = None
            for other in list(self._waiting):
                if self._shown is None:
                    self._turn_to(other, now)
                    self._shown = None if other.ended else other

    def _turn_to(self, work: Work, now: float) -> None:
        """Writes what waits of it, under its name if it was not the last to speak."""
        shown = self._shown
        if shown is not work:
            if shown is not None and not shown.ended:
                self._write(f"#{shown.number} ...\n")
            self._write(f"{'' if self._first else chr(10)}#{work.number} {work.name}\n")
        self._shown, self._first, self._last = work, False, now
        for line in self._waiting[work]:
            self._write(f"#{work.number} {line}\n")
        self._waiting[work] = []
        if work.ended:
            del self._waiting[work]


def _worth_a_line(event: Event) -> bool:
    """Pure: only the beginning and the end of a transfer."""
    current, total = event.get("current", 0), event.get("total", 0)
    return not current or bool(total and current >= total)
