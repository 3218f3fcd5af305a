"""What ends a stream besides its own end: a client that is silent for too long, or has gone."""

from __future__ import annotations

import asyncio

import pytest

from corral.cluster.streaming.timed import Timed
from corral.http.message import ClientGone


class Wire:
    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def read(self) -> bytes:
        return b"x"

    async def write(self, data: bytes) -> None:
        """Nowhere."""


async def forever(cancelled: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        cancelled.append("cancelled")


async def test_silence_ends_the_work() -> None:
    cancelled: list[str] = []
    await Timed(Wire(), seconds=0.01).run(forever(cancelled))
    assert cancelled == ["cancelled"]


async def test_traffic_puts_the_end_off() -> None:
    wire = Timed(Wire(), seconds=0.2)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    idle = asyncio.create_task(wire.idle())
    await asyncio.sleep(0.1)  # the time itself is what is tested
    await wire.read()
    await idle
    assert loop.time() - begun >= 0.29


async def test_a_client_that_has_gone_ends_the_work() -> None:
    wire, cancelled = Wire(), list[str]()
    work = asyncio.create_task(Timed(wire).run(forever(cancelled)))
    await asyncio.sleep(0)
    wire.gone.set()
    await work
    assert cancelled == ["cancelled"]


async def test_what_the_work_raises_is_raised() -> None:
    async def fail(error: Exception) -> None:
        raise error

    with pytest.raises(ValueError, match="broken"):
        await Timed(Wire()).run(fail(ValueError("broken")))
    await Timed(Wire()).run(fail(ClientGone("left")))
