"""Progress: a build's events as the messages that clients draw: vertices, statuses, logs, warnings. Pure."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from corral.api.buildkit.schema import message
from corral.build.ops import Span, Warning
from corral.build.request import BuildEvent, Finished, Moved, Printed, Started, Warned

EXPORT: Final = "exporting to image"
TO_TAR: Final = "exporting to client tarball"
TO_DIRECTORY: Final = "exporting to client directory"
KEY: Final = "failed to compute cache key: "  # stands before a build's error, not before its vertex's
INTERNAL: Final = "[internal] load build definition from "


def moment(now: int) -> dict[str, int]:
    """A time, in nanoseconds, as protobuf has it.

    >>> moment(3_000_000_007)
    {'seconds': 3, 'nanos': 7}
    """
    seconds, nanos = divmod(now, 10**9)
    return {"seconds": seconds, "nanos": nanos}


def is_shown(event: Started) -> bool:
    """Whether people see it as a piece of work: instructions that only say something are none.

    >>> is_shown(Started(1, "ENV a=b", "Step 2/3 : ENV a=b")), is_shown(Started(1, "[2/2] RUN x", "Step 3/3 : RUN x"))
    (False, True)
    """
    return not event.step or event.name.startswith("[")


class Progress:
    """Of one build, whose names for its vertices are digests made of `ref`. `names` are those that its image gets;
    `directory`: the client receives files, no tar. `given` are the bytes that went to the client so far."""

    def __init__(self, ref: str, names: list[str], *, directory: bool = False) -> None:
        self._ref, self._names, self._directory = ref, names, directory
        self.given = 0
        self._works: dict[int, _Work] = {}
        self._first = ""  # the vertex that warnings are about
        self.source: tuple[str, bytes] = ("Dockerfile", b"")

    def take(self, event: BuildEvent, now: int) -> Any | None:
        """A StatusResponse; None where there is nothing to be shown."""
        match event:
            case Started() if is_shown(event):
                return self._begin(event, now)
            case Printed() if event.vertex in self._works:
                work = self._works[event.vertex]
                log = {"vertex": work.digest, "timestamp": moment(now), "stream": event.stream, "msg": event.data}
                return message("StatusResponse", logs=[log])
            case Moved() if event.vertex in self._works:
                return self._moved(event, now)
            case Finished() if event.vertex in self._works:
                return self._end(event, now)
            case Warned(warning=warning) if warning.rule:  # what is none of lint's BuildKit does not say
                return message("StatusResponse", warnings=[self._warning(warning)])
        return None

    def _begin(self, event: Started, now: int) -> Any:
        digest = f"sha256:{hashlib.sha256(f'{self._ref} {event.vertex}'.encode()).hexdigest()}"
        name = TO_DIRECTORY if event.name == TO_TAR and self._directory else event.name
        work = self._works[event.vertex] = _Work(digest, name, now)
        if event.name.startswith(INTERNAL):
            self._first = digest
        return message("StatusResponse", vertexes=[work.vertex()])

    def _moved(self, event: Moved, now: int) -> Any:
        work = self._works[event.vertex]
        status = work.note(event.id, now, event.current)
        status |= {"name": event.status, "total": event.total}
        return message("StatusResponse", statuses=[status])

    def _end(self, event: Finished, now: int) -> Any:
        work = self._works.pop(event.vertex)
        if work.name == EXPORT and event.image and not event.error:
            for id in ("exporting layers", f"writing image {event.image}", *(f"naming to {n}" for n in self._names)):
                work.note(id, now)
        if work.name == TO_TAR:
            work.note("sending tarball", now)
        if work.name == TO_DIRECTORY:
            work.note("copying files", now, self.given)
        statuses = [one | {"completed": moment(now)} for one in work.statuses.values()]
        error = event.error.removeprefix(KEY)
        vertex = work.vertex() | {"completed": moment(now), "cached": event.cached, "error": error}
        return message("StatusResponse", vertexes=[vertex], statuses=statuses)

    def _warning(self, warning: Warning) -> dict[str, Any]:
        name, data = self.source
        line = f" (line {warning.span.first})" if warning.span.first else ""
        short = f"{warning.rule}: {warning.detail}{line}"
        found: dict[str, Any] = {"vertex": self._first, "level": 1, "short": short.encode(), "url": warning.url}
        found["detail"] = [warning.description.encode()] if warning.description else []
        if warning.span.first:
            found |= {
                "info": {"filename": name, "data": data, "language": "Dockerfile"},
                "ranges": [place(warning.span)],
            }
        return found


class _Work:
    """A vertex under way."""

    def __init__(self, digest: str, name: str, now: int) -> None:
        self.digest, self.name, self._began = digest, name, now
        self.statuses: dict[str, dict[str, Any]] = {}

    def note(self, id: str, now: int, current: int = 0) -> dict[str, Any]:
        """How far a part of it is."""
        status = self.statuses.setdefault(id, {"ID": id, "vertex": self.digest, "started": moment(now)})
        status |= {"timestamp": moment(now), "current": current}
        return status

    def vertex(self) -> dict[str, Any]:
        return {"digest": self.digest, "name": self.name, "started": moment(self._began)}


def place(span: Span) -> dict[str, Any]:
    """Lines, as a Range."""
    return {"start": {"line": span.first}, "end": {"line": span.last}}


def source_detail(name: str, text: bytes, span: Span) -> dict[str, Any]:
    """The JSON of an error's place in a file: what a client prints the lines from.

    >>> source_detail("Dockerfile", b"FROM a", Span(1, 1))["info"]
    {'filename': 'Dockerfile', 'data': 'RlJPTSBh', 'language': 'Dockerfile'}
    """
    info = {"filename": name, "data": base64.b64encode(text).decode(), "language": "Dockerfile"}
    return {"info": info, "ranges": [place(span)]}
