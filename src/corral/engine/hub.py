"""The hub of one container's console: one connection to its monitor, any number of attached clients.

The monitor stops a container whose attach client does not read. So the hub always reads, and each client has a
queue of its own (`spill.py`). The connection is opened with the first client and closed with the last, except
where closing it would end the container's standard input.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol

from corral.engine.spill import SpillQueue
from corral.errors import Conflict, HostError


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


class Hub:
    """`connect` opens the console of the running process; it is called again after each restart."""

    def __init__(self, connect: Callable[[], Console], *, tty: bool, stdin_once: bool, keep: bool) -> None:
        self._connect = connect
        self._tty, self._stdin_once, self._keep = tty, stdin_once, keep
        self._clients: set[Attachment] = set()
        self._console: Console | None = None
        self._reader: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
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
            self.connect()
        return client

    def connect(self) -> None:
        """Opens the console, unless it is open."""
        if self._console is not None:
            return
        self._console = console = self._connect()
        self._reader = asyncio.get_running_loop().create_task(self._pump(console), name="console")

    async def _pump(self, console: Console) -> None:
        with suppress(HostError):
            for data in self._early:
                await console.write(data)
        self._early.clear()
        if self._stdin_ended:
            console.close_stdin()
        while (frame := await console.read()) is not None:
            for client in list(self._clients):
                client.deliver(*frame)

    async def write(self, data: bytes) -> None:
        if self._console is None:
            if sum(map(len, self._early)) > 1 << 20:
                raise Conflict("the container has not started, and over 1 MiB of input waits for it already")
            self._early.append(data)
        elif not self._stdin_ended:
            with suppress(HostError):
                await self._console.write(data)

    def end_stdin(self) -> None:
        if not self._stdin_once or self._stdin_ended:
            return
        self._stdin_ended = True
        if self._console is not None and not self._early:
            self._console.close_stdin()

    def leave(self, client: Attachment) -> None:
        if client not in self._clients:
            return
        self._clients.discard(client)
        self.on_leave()
        if not self._clients and not self._keep:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        if self._console is not None:
            self._console.close()
        self._console = self._reader = None

    async def drained(self) -> None:
        """The process has ended: returns when all its output has been handed to the clients."""
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=10)

    async def ended(self, *, restarting: bool) -> None:
        """The process has ended. Its clients see the end of output, unless the container comes back at once."""
        await self.drained()
        self._disconnect()
        self._stdin_ended = False
        self._early.clear()
        if not restarting:
            for client in list(self._clients):
                client.queue.end()
                self._clients.discard(client)
