"""A node's start: whoever waits for it hears of a kubelet that cannot begin."""

from __future__ import annotations

import asyncio

import pytest

from corral.daemon.node import until_begun
from corral.errors import HostError


async def test_who_has_begun_runs_on() -> None:
    begun = asyncio.Event()

    async def run() -> None:
        begun.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await until_begun(begun, running)
    assert not running.done()
    running.cancel()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (HostError("make /x: file exists"), "make /x: file exists"),
        (OSError(28, "No space"), "start the kubelet: no sp"),
    ],
)
async def test_who_fails_before_says_why(error: Exception, text: str) -> None:
    async def run() -> None:
        raise error

    with pytest.raises(HostError, match=text):
        await until_begun(asyncio.Event(), asyncio.create_task(run()))
