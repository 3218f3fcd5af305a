"""A build as JSON lines for programs, in the form that BuildKit's own clients write with `--progress=rawjson`."""

from __future__ import annotations

import base64
import json

from corral.cli.progress.work import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from corral.cli.progress.work import Event


def moment(seconds: float) -> str:
    """A time as RFC 3339 has it. Pure.

    >>> moment(0.5)
    '1970-01-01T00:00:00.500000Z'
    """
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def identity(number: int) -> str:
    """The name of a piece of work in this stream: digests there, of its number. Pure."""
    from hashlib import sha256

    return "sha256:" + sha256(str(number).encode()).hexdigest()


class Raw:
    """`wall` is what is to be added to the times that are given to make them times of day."""

    def __init__(self, write: Callable[[str], object], wall: float = 0.0) -> None:
        self.watch = Watch()
        self._write, self._wall = write, wall

    def take(self, event: Event, now: float) -> None:
        work = self.watch.take(event, now)
        at = moment(now + self._wall)
        if event["type"] == "Warned":
            warning = event["warning"]
            said = {"short": base64.b64encode(warning["detail"].encode()).decode(), "url": warning.get("url", "")}
            self._say({"warnings": [said]})
        if work is None:
            return
        name = identity(work.number)
        if event["type"] == "Printed":
            log = {"vertex": name, "stream": event.get("stream", 1), "data": event["data"], "timestamp": at}
            self._say({"logs": [log]})
        elif event["type"] == "Moved":
            status = {"id": event["id"], "vertex": name, "name": event.get("status", ""), "timestamp": at}
            self._say({"statuses": [status | {key: event.get(key, 0) for key in ("current", "total")}]})
        else:
            vertex = {"digest": name, "name": work.name, "started": moment(work.began + self._wall)}
            vertex |= {"completed": at} if work.ended else {}
            vertex |= {"cached": True} if work.cached else {}  # type: ignore[dict-item]
            self._say({"vertexes": [vertex | ({"error": work.error} if work.error else {})]})

    def _say(self, what: object) -> None:
        self._write(json.dumps(what, separators=(",", ":")) + "\n")

    def tick(self, now: float) -> None:
        """Nothing changes with time alone."""

    def end(self, now: float) -> None:
        """Everything is said."""
