"""A client's conversation with a process: what it types goes in, what the process says goes out.

It ends when the output ends, when the client has left, when the client types the detach keys, and, where closing
the client's side cannot be passed on to the process, when it closes that.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

from corral.api.docker.escape import DEFAULT, EscapeScanner
from corral.api.docker.streams import STDERR, frame
from corral.errors import CorralError
from corral.http.message import ClientGone


class Wire(Protocol):
    """The client's side: `http.Stream`, or a web socket that looks like one."""

    gone: asyncio.Event

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...


class Console(Protocol):
    """The process's side: the engine's Attachment."""

    async def read(self) -> tuple[int, bytes] | None: ...
    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    async def close(self) -> None: ...


class Manner(NamedTuple):
    """`stdin`: the client may type. `frames`: output is framed. `keys`: the detach keys, None without a terminal.

    `half_close`: the end of the client's input is passed on to the process; otherwise it ends the conversation.
    """

    stdin: bool
    frames: bool
    keys: bytes | None
    half_close: bool


def manner(*, stdin: bool, tty: bool, frames: bool, keys: bytes, closes_stdin: bool) -> Manner:
    """Pure: how to talk. `closes_stdin`: the process's input was opened for one client only.

    >>> manner(stdin=True, tty=True, frames=False, keys=b"", closes_stdin=True)
    Manner(stdin=True, frames=False, keys=b'\\x10\\x11', half_close=False)
    """
    return Manner(stdin, frames, (keys or DEFAULT) if tty else None, closes_stdin and not tty)


async def converse(wire: Wire, console: Console, how: Manner) -> bool:
    """Until it ends; True when it ended by the detach keys. The console is closed in any case."""
    loop = asyncio.get_running_loop()
    spoken = loop.create_task(_output(wire, console, how.frames))
    typed = loop.create_task(_input(wire, console, how))
    try:
        await asyncio.wait((spoken, typed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        detached = typed.done() and not typed.cancelled() and typed.exception() is None and typed.result()
        spoken.cancel()
        typed.cancel()
        results = await asyncio.gather(spoken, typed, return_exceptions=True)
        await console.close()
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ClientGone):
            raise result
    return detached


async def _output(wire: Wire, console: Console, frames: bool) -> None:
    try:
        while (piece := await console.read()) is not None:
            stream, data = piece
            await wire.write(frame(stream, data) if frames else data)
    except CorralError as error:
        text = f"{error.message}\r\n".encode()
        await wire.write(frame(STDERR, text) if frames else text)


async def _input(wire: Wire, console: Console, how: Manner) -> bool:
    scanner = EscapeScanner(how.keys or b"")
    while data := await wire.read():
        if not how.stdin:
            continue
        data, detached = scanner.feed(data)
        if data:
            await console.write(data)
        if detached:
            return True
    if how.stdin:
        if not how.half_close:
            return False
        await console.close_stdin()
    await wire.gone.wait()
    return False
