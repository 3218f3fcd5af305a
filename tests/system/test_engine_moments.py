"""When a container began and ended, by a daemon that is late to hear of it; an engine of the test's own."""

from __future__ import annotations

import pytest

from corral.kit.clock import SECOND, SystemClock
from corral.model.container import ContainerSpec
from corral.runtime.oci import OciRuntime
from tests.support.building import with_workshop
from tests.support.wait import eventually_async

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


class Clock(SystemClock):
    """May be ahead of files' times, as that of a process is which stood still for a while."""

    ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead


async def test_what_ends_before_its_start_is_noted_has_begun_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async with with_workshop() as shop:
        engine, clock, start = shop.engine, Clock(), OciRuntime.start
        engine.parts.clock = clock

        async def late(runtime: OciRuntime, id: str, pid: int = 0) -> None:
            await start(runtime, id, pid)
            await eventually_async(lambda: engine.parts.exits.read(id) is not None, "it has ended", seconds=60)
            clock.ahead = SECOND

        monkeypatch.setattr(OciRuntime, "start", late)
        made = await engine.containers.create(ContainerSpec("busybox", command=["true"]))
        waiter = engine.containers.waiter(made.id, "next-exit")
        await engine.containers.start(made.id)
        await waiter
        state = engine.containers.get(made.id).state
        assert 0 < state.started_at < state.finished_at
