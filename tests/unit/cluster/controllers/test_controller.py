from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from corral.cluster.controllers.controller import Controller
from corral.model.kubernetes.status import conflict, not_found


class Counting(Controller):
    """Fails as often as it was told to, per key."""

    def __init__(self, failures: dict[str, int]) -> None:
        super().__init__(())
        self.failures = failures
        self.seen: list[str] = []
        self.ended = asyncio.Event()

    async def reconcile(self, key: str) -> float | None:
        self.seen.append(key)
        if self.failures.get(key, 0) > 0:
            self.failures[key] -= 1
            if key == "bug":
                raise ZeroDivisionError
            raise conflict("pods", key)
        if key == "last":
            self.ended.set()
        return 0.001 if key == "again" and self.seen.count("again") < 3 else None


async def run(controller: Counting, *keys: str) -> None:
    for key in keys:
        controller.queue.add(key)
    task = asyncio.create_task(controller.run())
    await asyncio.wait_for(controller.ended.wait(), 60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_fails_is_tried_again_and_others_go_on() -> None:
    controller = Counting({"stubborn": 2, "bug": 1, "last": 4})
    await run(controller, "stubborn", "bug", "fine", "last")
    assert controller.seen.count("stubborn") == 3
    assert controller.seen.count("bug") == 2
    assert controller.seen.count("fine") == 1


async def test_who_asks_for_it_is_looked_at_again() -> None:
    controller = Counting({"last": 4})
    await run(controller, "again", "last")
    assert controller.seen.count("again") == 3


class Vanishing(Counting):
    async def reconcile(self, key: str) -> float | None:
        if self.failures.get(key, 0) > 0:
            self.failures[key] -= 1
            raise not_found("replicasets", key.rpartition("/")[2] if key.startswith("d/") else "other", "apps")
        return await super().reconcile(key)


async def test_what_was_deleted_meanwhile_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    controller = Vanishing({"d/web": 1, "e/web": 1})
    await run(controller, "d/web", "e/web", "last")
    assert ["d/web" in one.message for one in caplog.records] == [False] and "other" in caplog.text
