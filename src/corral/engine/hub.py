"""The hub of one container's console: one connection to its monitor, any number of attached clients.

The monitor stops a container whose attach client does not read. So the hub always reads, and each client has a
queue of its own (`spill.py`). The connection is opened with the first client and closed with the last, except
where closing it would end the container's standard input.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from corral.engine.spill import SpillQueue
from corral.errors import HostError


class Console(Protocol):
    """A connection to a monitor (see `runtime/monitor.py`)."""

    async def read(self) -> tuple[int, bytes] | None: ...
    async def write(self, data: bytes) -> None: ...
    def close_stdin(self) -> None: ...
    def close(self) -> None: ...


class Attachment:
    """One client of a console. `read` gives (1 stdout | 2 stderr, bytes), and None when the output has ended."""

    def __init__(self, hub: Hub, tty: bool, stdin: bool, streams: frozenset[int]) -> None:
        self.tty = tty
        self.stdin = stdin
        self._hub = hub
        self._streams = streams
        self.queue = SpillQueue()

    def deliver(self, stream: int, data: bytes) -> None:
        if stream in self._streams:
            self.queue.put(stream, data)

    async def read(self) -> tuple[int, bytes] | None:
        return await self.queue.get()

    async def write(self, data: bytes) -> None:
        """To the container's standard input; silently dropped once that is closed, as a pipe's reader may be."""
        if self.stdin:
            await self._hub.write(data)

    async def close_stdin(self) -> None:
        """The client will write no more. Ends the container's input if that was opened for one client."""
        if self.stdin:
            self._hub.end_stdin()

    async def close(self) -> None:
        self._hub.leave(self)
        self.queue.close()

    async def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]:
        while (frame := await self.read()) is not None:
            yield frame


EARLY = 1 << 20  # bytes of input that may wait for the start; who writes more waits too


Logged = Callable[[int], AsyncIterator[tuple[int, bytes]]]


class Hub:
    """`connect` opens the console of the running process; it is called again for each of its processes.

    Input has a task of its own: a process that writes before it reads must not be waited for.

    A monitor that is held up between its "made" and its first look at the console's socket misses a process that
    ends in that time: its output is in the log only. `logged` gives that from a time (nanoseconds) on.
    """

    def __init__(
        self, connect: Callable[[], Console], *, tty: bool, stdin_once: bool, keep: bool, logged: Logged | None = None
    ) -> None:
        self._connect = connect
        self._logged = logged
        self._silent_since = 0  # since the start, when the console was open by then; 0: it has said something
        self._tty, self._stdin_once, self._keep = tty, stdin_once, keep
        self._clients: set[Attachment] = set()
        self._console: Console | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._typed: deque[bytes] = deque()
        self._waiting = 0  # bytes of input that the console has not taken
        self._changed = asyncio.Event()  # there is input, or its end
        self._taken = asyncio.Event()  # some of it was taken
        self._stdin_ended = False
        self.on_leave: Callable[[], None] = lambda: None

    @property
    def busy(self) -> bool:
        return bool(self._clients)

    def join(self, *, stdin: bool, streams: frozenset[int], running: bool) -> Attachment:
        """A new client. Before the start it waits; what it writes is kept until then."""
        client = Attachment(self, self._tty, stdin, streams)
        self._clients.add(client)
        if running:
            try:
                self.connect()
            except HostError:  # its process has just ended: there is nothing to come
                self._clients.discard(client)
                client.queue.end()
        return client

    def connect(self, *, starting_at: int = 0) -> None:
        """Opens the console, unless it is open. `starting_at`: the present, when the process is about to start."""
        if self._console is not None:
            return
        self._silent_since = starting_at
        self._console = console = self._connect()
        loop = asyncio.get_running_loop()
        self._reader = loop.create_task(self._read(console), name="console")
        self._writer = loop.create_task(self._write(console), name="console-input")
        self._taken.set()

    async def _read(self, console: Console) -> None:
        while (frame := await console.read()) is not None:
            self._silent_since = 0
            self._deliver(frame)

    def _deliver(self, frame: tuple[int, bytes]) -> None:
        for client in list(self._clients):
            client.deliver(*frame)

    async def _write(self, console: Console) -> None:
        """Hands on what is typed, in order, and then its end. A process that reads no more gets no more."""
        deaf = False
        while True:
            while self._typed:
                data = self._typed[0]
                if not deaf:
                    try:
                        await console.write(data)
                    except HostError:
                        deaf = True
                self._typed.popleft()
                self._waiting -= len(data)
                self._taken.set()
            if self._stdin_ended:
                console.close_stdin()
                return
            self._changed.clear()
            await self._changed.wait()

    async def write(self, data: bytes) -> None:
        """Returns when the console has taken it; before the start, when not too much waits."""
        if self._stdin_ended:
            return
        self._typed.append(data)
        self._waiting += len(data)
        self._changed.set()
        while self._waiting > (EARLY if self._console is None else 0):
            self._taken.clear()
            await self._taken.wait()

    def end_stdin(self) -> None:
        if self._stdin_once:
            self._stdin_ended = True
            self._changed.set()

    def leave(self, client: Attachment) -> None:
        if client not in self._clients:
            return
        self._clients.discard(client)
        self.on_leave()
        if not self._clients and not self._keep:
            self._disconnect()

    def _disconnect(self) -> None:
        for task in (self._reader, self._writer):
            if task is not None:
                task.cancel()
        if self._console is not None:
            self._console.close()
        self._console = self._reader = self._writer = None
        self._typed.clear()
        self._waiting = 0
        self._taken.set()

    def close(self) -> None:
        """The daemon ends; the process goes on. Clients see the end of what was read."""
        self._disconnect()
        for client in list(self._clients):
            client.queue.end()
        self._clients.clear()

    async def drained(self) -> None:
        """The process has ended: returns when all its output has been handed to the clients."""
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=10)

    async def ended(self) -> None:
        """The process has ended. Its clients see the end of output, also where the container comes back at once."""
        await self.drained()
        if self._silent_since and self._logged is not None and self._clients:
            async for frame in self._logged(self._silent_since):
                self._deliver(frame)
        self._silent_since = 0
        self._disconnect()
        self._stdin_ended = False
        for client in list(self._clients):
            client.queue.end()
            self._clients.discard(client)
