"""Background work ends when its owner ends it, also where the first cancellation was lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from corral.kit import tasks as module
from corral.kit.tasks import Tasks


async def test_close_ends_all_and_waits_for_their_clean_up() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append("cleaned up")

    tasks = Tasks()
    tasks.start("one", work())
    tasks.start("two", work())
    await asyncio.sleep(0)
    await tasks.close()
    assert done == ["cleaned up"] * 2


async def test_a_swallowed_cancellation_is_repeated_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    tasks = Tasks()
    task = tasks.start("stubborn", stubborn())
    await asyncio.sleep(0)
    with caplog.at_level(logging.WARNING, "corral"):
        await tasks.close()
    assert task.cancelled()
    assert "task stubborn was cancelled and has not ended" in caplog.text


async def test_one_of_the_tasks_may_close_them() -> None:
    tasks = Tasks()
    other = tasks.start("other", asyncio.Event().wait())
    await tasks.start("closer", tasks.close())
    assert other.cancelled()


async def test_a_failure_is_logged_with_the_name_and_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise ValueError("broken")

    tasks = Tasks()
    other = tasks.start("other", asyncio.Event().wait())
    failed = tasks.start("failing", fails())
    await asyncio.wait([failed])
    await asyncio.sleep(0)
    assert "task failing failed: broken" in caplog.text
    assert not other.done()
    await tasks.close()
