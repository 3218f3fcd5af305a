"""Telling: what a build says while it works, in the order in which it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from corral.build.request import BuildEvent, Entered, Finished, Moved, Printed, Started
from corral.errors import CorralError
from corral.model.transfer import Note


class Vertex:
    """One piece of work, begun. What is not set when it ends is as `Finished` has it."""

    def __init__(self, tell: Telling, number: int) -> None:
        self._tell, self.number = tell, number
        self.cached = False
        self.image = ""
        self.container = ""
        self._clipped = False

    def enter(self, container: str) -> None:
        """A process begins."""
        self.container = container
        self._tell.say(Entered(self.number, container))

    def print(self, stream: int, data: bytes) -> None:
        self._tell.say(Printed(self.number, data, stream))

    def hear(self, stream: int, data: bytes) -> None:
        """As `print`, of a process, which may write very much: what is more than can wait is left out, and told so."""
        if self._tell.waiting >= _MOST:
            self._clipped = True
            return
        if self._clipped:
            self._clipped = False
            self.print(2, CLIPPED)
        self.print(stream, data)

    @property
    def free(self) -> bool:
        """Whether few events wait, so that a process can be heard."""
        return self._tell.waiting < _MANY

    async def room(self) -> None:
        """Returns when it is so."""
        await self._tell.room()

    def moved(self, note: Note) -> None:
        """A transfer went on. Notes about nothing in particular are lines."""
        if note.id:
            self._tell.say(Moved(self.number, note.id, note.status, max(note.current, 0), note.total))
        elif note.status:
            self.print(1, f"{note.status}\n".encode())

    def transferred(self, what: str, now: int) -> None:
        """So many bytes of something of a client's have come."""
        self._tell.say(Moved(self.number, what, "transferring", now))

    def fetched(self, url: str, now: int, total: int) -> None:
        """A download went on."""
        self._tell.say(Moved(self.number, url, "Downloading", now, total))


_MANY = 64  # events that may wait before a producer of many is told to
_MOST = 16 * _MANY  # and before one that cannot be told to is no longer heard
CLIPPED = b"[output clipped: it was not taken as fast as it came]\n"


class Telling:
    """One build's events: iterate it for them."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[BuildEvent | None] = asyncio.Queue()
        self._taken = asyncio.Event()
        self._vertices = 0

    def say(self, event: BuildEvent) -> None:
        self._queue.put_nowait(event)

    @property
    def waiting(self) -> int:
        """Events that nobody has taken yet."""
        return self._queue.qsize()

    def end(self) -> None:
        """Nothing more comes."""
        self._queue.put_nowait(None)

    async def room(self) -> None:
        """Returns when not too many wait: for who says a lot."""
        while self._queue.qsize() >= _MANY:
            self._taken.clear()
            await self._taken.wait()

    async def __aiter__(self) -> AsyncIterator[BuildEvent]:
        while (event := await self._queue.get()) is not None:
            self._taken.set()
            yield event

    @contextmanager
    def vertex(self, name: str, step: str = "") -> Iterator[Vertex]:
        """A piece of work, from its beginning to its end or failure."""
        self._vertices += 1
        vertex = Vertex(self, self._vertices)
        self.say(Started(vertex.number, name, step))
        try:
            yield vertex
        except asyncio.CancelledError:
            self.say(Finished(vertex.number, error="canceled"))
            raise
        except CorralError as error:
            self.say(Finished(vertex.number, error=error.message))
            raise
        self.say(Finished(vertex.number, vertex.cached, "", vertex.image, vertex.container))
