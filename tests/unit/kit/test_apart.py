from __future__ import annotations

import asyncio
import threading

import pytest

from corral.kit.apart import apart


async def test_it_answers_and_raises_as_a_call_would() -> None:
    assert await apart(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await apart(lambda: 1 // 0)


async def test_any_number_may_hang_and_the_shared_threads_are_free() -> None:
    back = threading.Event()
    hanging = [asyncio.create_task(apart(back.wait)) for _ in range(64)]
    assert await asyncio.to_thread(lambda: "free") == "free"
    assert await apart(lambda: "too") == "too"
    hanging[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging[0]
    back.set()
    assert await asyncio.gather(*hanging[1:]) == [True] * 63


def test_the_end_of_the_program_does_not_wait_for_it() -> None:
    back, before = threading.Event(), set(threading.enumerate())

    async def program() -> None:
        task = asyncio.create_task(apart(back.wait))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(program())
    waiting = [one for one in threading.enumerate() if one.name == "apart" and one not in before]
    assert waiting and all(thread.daemon for thread in waiting)
    back.set()
    for thread in waiting:  # its loop is closed by now, and it says nothing
        thread.join(60)
    assert not any(thread.is_alive() for thread in waiting)
