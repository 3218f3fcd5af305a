"""Removing containers: what a full disk and others at the same time do to it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from corral.engine.events import Events
from corral.engine.parts import Parts
from corral.engine.registry import Live, Registry
from corral.engine.remove import remove
from corral.engine.wait import Waiter
from corral.errors import Conflict, NoSpace
from corral.kit.clock import SystemClock
from corral.kit.tasks import Afterwork
from corral.model.container import Container, ContainerSpec, State
from corral.store.memory import MemoryStore


class FullStore(MemoryStore):
    full = False

    async def commit(self, puts: Any, deletes: Any = (), **rest: Any) -> int:
        if self.full:
            raise NoSpace("no space left on device")
        return await super().commit(puts, deletes, **rest)


async def made(tmp: str, store: MemoryStore) -> tuple[Parts, Live, list[str]]:
    discarded: list[str] = []

    async def discard(id: str) -> None:
        discarded.append(id)

    registry = Registry(store)
    live = await registry.insert(Container("abc1", "one", 1, "sha256:0", ContainerSpec("busybox"), state=State()))
    parts = SimpleNamespace(
        config=SimpleNamespace(root=f"{tmp}/no reserve"),
        registry=registry,
        events=Events(SystemClock()),
        afterwork=Afterwork(),
        images=SimpleNamespace(discard=discard, rootfs=SimpleNamespace(ids=lambda: ["abc1", "abc1-0", "abc10"])),
        paths=SimpleNamespace(state=lambda id: f"{tmp}/{id}"),
        tell=lambda *words, **more: None,
    )
    return cast(Parts, parts), live, discarded


async def test_a_full_disk_leaves_the_container_as_it_was(tmp_path: object) -> None:
    store = FullStore()
    parts, live, _ = await made(str(tmp_path), store)
    store.full = True
    with pytest.raises(NoSpace):
        await remove(parts, live)
    assert live.record.state.status == "created" and not live.removed
    store.full = False
    await remove(parts, live)
    assert live.removed and len(parts.registry) == 0
    await parts.afterwork.close()


async def test_one_that_was_started_while_we_waited_is_not_removed(tmp_path: object) -> None:
    parts, live, discarded = await made(str(tmp_path), MemoryStore())
    async with live.lock:  # as a start has it
        removing = asyncio.create_task(remove(parts, live))
        await asyncio.sleep(0)
        live.record.state = State("running", pid=1)
    with pytest.raises(Conflict, match="stop the container before removing"):
        await removing
    assert not live.removed and discarded == []


async def test_a_second_removal_is_refused_and_waiters_hear_of_the_first(tmp_path: object) -> None:
    parts, live, discarded = await made(str(tmp_path), MemoryStore())
    waiter = Waiter(live, "removed")
    first, second = await asyncio.gather(remove(parts, live), remove(parts, live), return_exceptions=True)
    assert first is None and isinstance(second, Conflict)
    assert (await asyncio.wait_for(waiter, 60)).exit_code == 0
    await parts.afterwork.close()
    assert discarded == ["abc1", "abc1-0"]


async def test_removals_do_not_wait_for_clean_ups_behind_them(tmp_path: object) -> None:
    """Each worker with a removal that waits for its clean-up, which waits for a worker: nothing would go on."""
    parts, live, discarded = await made(str(tmp_path), MemoryStore())
    live.torn_down.clear()  # its clean-up is queued
    await remove(parts, live)
    await asyncio.wait_for(parts.afterwork.drain(), 60)
    assert discarded == [], "the clean-up does it at its end"
