"""What is known of each piece of a build's work. Events go in, in the form they have on the wire; times are given."""

from __future__ import annotations

import base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Event = dict[str, Any]

KEPT = 100  # lines of output that are remembered of each piece of work, for the report of a failure


class Lines:
    """Bytes in, whole lines of text out; what a carriage return wrote over is left out.

    >>> lines = Lines()
    >>> lines.feed(b"one\\ntw"), lines.feed(b"o\\r\\n10%\\r20%\\n"), lines.feed(b"x"), lines.end()
    (['one'], ['two', '20%'], [], ['x'])
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [self._text(line) for line in whole]

    def end(self) -> list[str]:
        rest, self._rest = self._rest, b""
        return [self._text(rest)] if rest else []

    @property
    def begun(self) -> str:
        return self._text(self._rest)

    @staticmethod
    def _text(line: bytes) -> str:
        return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")


class Work:
    """One piece of work. `ended` is 0 while it goes on. `log` holds (seconds since it began, line)."""

    def __init__(self, number: int, name: str, began: float) -> None:
        self.number, self.name, self.began = number, name, began
        self.ended = 0.0
        self.cached = False
        self.error = ""
        self.log: list[tuple[float, str]] = []
        self.fresh: list[tuple[float, str]] = []  # what the latest event added to it
        self.moves: dict[str, Event] = {}
        self.lines = {1: Lines(), 2: Lines()}

    def took(self, now: float) -> float:
        return (self.ended or now) - self.began


class Watch:
    """All work, in the order in which it began.

    >>> watch = Watch()
    >>> watch.take({"type": "Started", "vertex": 7, "name": "[1/1] RUN x"}, 1.0).name
    '[1/1] RUN x'
    >>> watch.take({"type": "Printed", "vertex": 7, "data": "aGkK"}, 1.5).log
    [(0.5, 'hi')]
    >>> watch.take({"type": "Finished", "vertex": 7}, 3.0).took(9.0), watch.done
    (2.0, 1)
    """

    def __init__(self) -> None:
        self.all: dict[int, Work] = {}
        self.done = 0
        self.warnings: list[Event] = []

    def take(self, event: Event, now: float) -> Work | None:
        """The work that the event is about, None if it is about none."""
        kind = event["type"]
        if kind == "Warned":
            self.warnings.append(event["warning"])
            return None
        if kind == "Entered":
            return None
        if kind == "Started":
            if event.get("step") and not event["name"].startswith("["):
                return None  # a step that only changes the configuration
            self.all[event["vertex"]] = Work(len(self.all) + 1, event["name"], now)
            return self.all[event["vertex"]]
        if event["vertex"] not in self.all:
            return None
        work = self.all[event["vertex"]]
        work.fresh = []
        if kind == "Printed":
            self._log(work, work.lines[event.get("stream", 1)].feed(base64.b64decode(event["data"])), now)
        elif kind == "Moved":
            work.moves[event["id"]] = event
        elif kind == "Finished":
            for lines in work.lines.values():
                self._log(work, lines.end(), now)
            work.ended, work.cached, work.error = now, event.get("cached", False), event.get("error", "")
            self.done += 1
        return work

    @staticmethod
    def _log(work: Work, lines: list[str], now: float) -> None:
        work.fresh += [(now - work.began, line) for line in lines]
        work.log += [(now - work.began, line) for line in lines]
        del work.log[:-KEPT]

    @property
    def failed(self) -> Work | None:
        return next((work for work in self.all.values() if work.error and work.log), None) or next(
            (work for work in self.all.values() if work.error), None
        )


def transfer(event: Event, size: object) -> str:
    """How far a transfer is, as text. Pure; `size` writes bytes.

    >>> transfer({"id": "abc", "status": "downloading", "current": 5, "total": 10}, "{}B".format)
    'downloading abc 5B / 10B'
    """
    current, total = event.get("current", 0), event.get("total", 0)
    words = [event.get("status", ""), event["id"]]
    if current or total:
        words.append(f"{size(current)} / {size(total)}" if total else size(current))  # type: ignore[operator]
    return " ".join(word for word in words if word)
