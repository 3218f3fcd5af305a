"""Time limits: what comes while the event loop is held up, and what does not come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from corral.kit.timeouts import LATE, fair_timeout

SECONDS = 0.05
TURNS = 5


def hold_up(then: Callable[[], None] = lambda: None) -> None:
    """The loop does nothing else until the time of all who wait is over. After it, an answer takes some turns."""
    loop = asyncio.get_running_loop()
    late = loop.time() + SECONDS + 2 * LATE
    while loop.time() < late:
        pass
    for _ in range(TURNS):
        then = partial(loop.call_soon, then)
    then()


async def test_what_came_while_the_loop_was_held_up_has_come() -> None:
    come = asyncio.Event()
    async with fair_timeout(SECONDS):
        asyncio.get_running_loop().call_soon(hold_up, come.set)
        await come.wait()


async def test_what_does_not_come_is_waited_for_no_longer() -> None:
    for held_up in (False, True):
        with pytest.raises(TimeoutError):
            async with fair_timeout(SECONDS):
                if held_up:
                    asyncio.get_running_loop().call_soon(hold_up)
                await asyncio.Event().wait()


async def test_a_loop_that_is_always_late_has_limits_too() -> None:
    again = True

    def stumble() -> None:
        if again:
            asyncio.get_running_loop().call_soon(stumble)
            hold_up()

    with pytest.raises(TimeoutError):
        async with fair_timeout(SECONDS):
            asyncio.get_running_loop().call_soon(stumble)
            await asyncio.Event().wait()
    again = False


async def test_no_limit_and_what_was_in_time() -> None:
    async with fair_timeout(None):
        await asyncio.sleep(0)
    async with fair_timeout(0.001):
        pass
    await asyncio.sleep(0.01)  # its timer has gone with it
