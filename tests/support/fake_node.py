"""A node that runs nothing in containers: commands run on this machine, ports are this machine's, logs are given."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any

from corral.cluster.client.nodes import LogOptions
from corral.cluster.client.stream import Stream
from corral.model.kubernetes.status import StatusError, bad_request, internal

Object = dict[str, Any]
PIECE = 65536


class FakeNode:
    """See `NodeAccess`. Containers named `stopped` do not run. What was asked for is kept in `asked`."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.log: list[bytes] = [b"one\n", b"two\n"]
        self.log_ended = asyncio.Event()  # of a log that is followed
        self.log_closed = asyncio.Event()  # nobody reads it any more
        self.consoles: list[FakeConsole] = []

    def logs(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:
        self.asked.append(options)
        if options.previous:
            text = f'previous terminated container "{options.container}" in pod "{pod["metadata"]["name"]}" not found'
            raise bad_request(text)
        return self._lines(options)

    async def _lines(self, options: LogOptions) -> AsyncIterator[bytes]:
        try:
            for line in self.log:
                yield line
            if options.follow:
                await self.log_ended.wait()
        finally:
            self.log_closed.set()

    def check_running(self, pod: Object, container: str) -> None:
        if container == "stopped":
            raise StatusError(500, "", f'container not found ("{container}")')

    async def exec(
        self, pod: Object, container: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> FakeProcess:
        self.asked.append((container, tuple(command), stdin, stdout, stderr, tty))
        made = FakeProcess(stdout, stderr)
        try:
            await made.start(command, stdin=stdin, tty=tty)
        except OSError as error:
            raise internal(f"error executing command in container: {error}") from error
        return made

    async def attach(
        self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> FakeConsole:
        made = FakeConsole()
        self.consoles.append(made)
        return made

    async def connect(self, pod: Object, port: int) -> Stream:
        try:
            return Stream(*await asyncio.open_connection("127.0.0.1", port))
        except OSError as error:
            cause = f"failed to connect to localhost:{port} inside namespace: connect: connection refused"
            raise internal(cause) from error


class FakeProcess:
    """See `Streams`: a process of this machine."""

    def __init__(self, stdout: bool, stderr: bool) -> None:
        self._wanted = {1: stdout, 2: stderr}
        self._found: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(4)
        self._readers: list[asyncio.Task[None]] = []
        self._master = -1
        self.sizes: list[tuple[int, int]] = []

    async def start(self, command: Sequence[str], *, stdin: bool, tty: bool) -> None:
        pipe = asyncio.subprocess.PIPE
        if not tty:
            given = pipe if stdin else asyncio.subprocess.DEVNULL
            self._process = await asyncio.create_subprocess_exec(*command, stdin=given, stdout=pipe, stderr=pipe)
            streams = {1: self._process.stdout, 2: self._process.stderr}
            self._pump({number: reader for number, reader in streams.items() if reader is not None})
            return
        self._master, slave = pty.openpty()
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(os.dup(self._master), "rb"))
        self._pump({1: reader})

    def _pump(self, readers: dict[int, asyncio.StreamReader]) -> None:
        tasks = [asyncio.create_task(self._copy(number, reader)) for number, reader in readers.items()]
        self._readers = [*tasks, asyncio.create_task(self._finish(tasks))]

    async def _copy(self, number: int, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):  # a terminal whose last user has gone
            while data := await reader.read(PIECE):
                if self._wanted[number]:
                    await self._found.put((number, data))

    async def _finish(self, tasks: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._found.put(None)

    async def read(self) -> tuple[int, bytes] | None:
        return await self._found.get()

    async def write(self, data: bytes) -> None:
        if self._master >= 0:
            os.write(self._master, data)
        elif self._process.stdin is not None:
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    async def close_stdin(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def resize(self, height: int, width: int) -> None:
        self.sizes.append((height, width))
        if self._master >= 0:
            import fcntl
            import struct
            import termios

            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGWINCH)

    async def wait(self) -> int:
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


class FakeConsole:
    """See `Streams`: says what it hears, in capitals, until it hears `end`."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._said.put_nowait((1, b"hello\n"))
        self.closed = asyncio.Event()
        self.stdin_closed = False

    async def read(self) -> tuple[int, bytes] | None:
        return await self._said.get()

    async def write(self, data: bytes) -> None:
        words, end, _ = data.partition(b"end")  # what was sent in two may come as one
        if words:
            self._said.put_nowait((1, words.upper()))
        if end:
            self._said.put_nowait(None)

    async def close_stdin(self) -> None:
        self.stdin_closed = True

    async def resize(self, height: int, width: int) -> None:
        self._said.put_nowait((1, b"%dx%d\n" % (height, width)))

    async def wait(self) -> int:
        return 0

    async def close(self) -> None:
        self.closed.set()
