"""A client's conversation with a process, with both ends played by the test."""

from __future__ import annotations

import asyncio

import pytest

from corral.api.docker.session import Manner, converse, manner
from corral.errors import HostError
from corral.http.message import ClientGone


class Wire:
    """The client: what it types is put in, what it was told is `told`."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.typed: asyncio.Queue[bytes] = asyncio.Queue()
        self.told: list[bytes] = []

    async def read(self) -> bytes:
        return await self.typed.get()

    async def write(self, data: bytes) -> None:
        if self.gone.is_set():
            raise ClientGone
        self.told.append(data)

    def leave(self) -> None:
        self.gone.set()
        self.typed.put_nowait(b"")


class Process:
    """The console: what the process says is put in, what it was given is `given`."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[tuple[int, bytes] | Exception | None] = asyncio.Queue()
        self.given: list[bytes] = []
        self.stdin_closed = self.closed = False
        self.input_ended = asyncio.Event()

    async def read(self) -> tuple[int, bytes] | None:
        said = await self.says.get()
        if isinstance(said, Exception):
            raise said
        return said

    async def write(self, data: bytes) -> None:
        self.given.append(data)

    async def close_stdin(self) -> None:
        self.stdin_closed = True
        self.input_ended.set()

    async def close(self) -> None:
        self.closed = True


PLAIN = Manner(stdin=True, frames=True, keys=None, half_close=True)
TERMINAL = Manner(stdin=True, frames=False, keys=b"\x10\x11", half_close=False)


async def talk(wire: Wire, process: Process, how: Manner) -> bool:
    detached = await asyncio.wait_for(converse(wire, process, how), 20)
    assert process.closed
    return detached


async def test_the_end_of_the_output_ends_it() -> None:
    wire, process = Wire(), Process()
    for said in ((1, b"a"), (2, b"b"), None):
        process.says.put_nowait(said)
    assert not await talk(wire, process, PLAIN)
    assert wire.told == [b"\1\0\0\0\0\0\0\1a", b"\2\0\0\0\0\0\0\1b"]


async def test_the_half_close_is_passed_on_and_the_output_goes_on() -> None:
    wire, process = Wire(), Process()
    wire.typed.put_nowait(b"in")
    wire.typed.put_nowait(b"")
    talking = asyncio.create_task(talk(wire, process, PLAIN))
    await asyncio.wait_for(process.input_ended.wait(), 20)
    process.says.put_nowait((1, b"late"))
    process.says.put_nowait(None)
    await talking
    assert process.given == [b"in"] and wire.told[0].endswith(b"late")


async def test_where_it_cannot_be_passed_on_the_half_close_ends_it() -> None:
    wire, process = Wire(), Process()
    wire.typed.put_nowait(b"")
    assert not await talk(wire, process, TERMINAL)
    assert not process.stdin_closed


@pytest.mark.parametrize("how", [PLAIN, PLAIN._replace(stdin=False)])
async def test_a_client_that_leaves_ends_it(how: Manner) -> None:
    wire, process = Wire(), Process()
    wire.leave()
    assert not await talk(wire, process, how)
    assert process.stdin_closed is how.stdin


async def test_input_that_was_not_asked_for_is_dropped() -> None:
    wire, process = Wire(), Process()
    wire.typed.put_nowait(b"in\x10\x11")
    wire.leave()
    assert not await talk(wire, process, TERMINAL._replace(stdin=False))
    assert process.given == []


async def test_the_detach_keys_end_it() -> None:
    wire, process = Wire(), Process()
    wire.typed.put_nowait(b"ls\x10")
    wire.typed.put_nowait(b"\x11rm")
    assert await talk(wire, process, TERMINAL)
    assert process.given == [b"ls"]


async def test_a_client_that_is_too_slow_is_told_so() -> None:
    wire, process = Wire(), Process()
    process.says.put_nowait(HostError("too slow"))
    assert not await talk(wire, process, PLAIN)
    assert wire.told == [b"\2\0\0\0\0\0\0\ntoo slow\r\n"]


async def test_other_failures_come_out() -> None:
    wire, process = Wire(), Process()
    process.says.put_nowait(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await talk(wire, process, PLAIN)


def test_manners() -> None:
    piped = manner(stdin=True, tty=False, frames=True, keys=b"x", closes_stdin=True)
    assert piped == Manner(stdin=True, frames=True, keys=None, half_close=True)
    assert manner(stdin=True, tty=True, frames=False, keys=b"x", closes_stdin=True).keys == b"x"
