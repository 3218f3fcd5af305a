"""A client that leaves while its process is being started."""

from __future__ import annotations

import asyncio
from typing import Any

from corral.cluster.streaming.console import Resize
from corral.cluster.streaming.process import serve
from corral.cluster.streaming.timed import Timed
from tests.support.fake_node import FakeConsole
from tests.unit.cluster.streaming.test_timed import Wire


class Leaving:
    """A console whose client leaves when `left` is set."""

    stdin = None

    def __init__(self) -> None:
        self.ready, self.left = asyncio.Event(), asyncio.Event()
        self.ready.set()

    async def run(self, resize: Resize) -> None:
        await self.left.wait()

    async def output(self, channel: int, data: bytes) -> None:
        raise AssertionError("nobody is there")

    async def finish(self, status: dict[str, Any]) -> None:
        raise AssertionError("nobody is there")


async def test_what_was_started_for_nobody_is_closed() -> None:
    console, streams, begun, go = Leaving(), FakeConsole(), asyncio.Event(), asyncio.Event()

    async def start() -> FakeConsole:
        begun.set()
        await go.wait()
        return streams

    work = asyncio.create_task(serve(console, Timed(Wire()), start))
    await begun.wait()
    console.left.set()
    await asyncio.sleep(0)
    go.set()
    await work
    assert streams.closed.is_set()
