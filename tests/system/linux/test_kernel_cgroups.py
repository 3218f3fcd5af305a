"""Groups on the real kernel: the host's own layout, and the v2 tree where there is one beside it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator

import pytest

from corral.errors import HostError
from corral.linux import cgroups as cg
from corral.linux.cgroup_end import remove_group
from corral.linux.oom import OomWatch
from corral.linux.spawn import Child, spawn
from corral.linux.systemd import ensure_parent, plan_place, remove_parent, running
from tests.support.wait import PATIENCE

pytestmark = pytest.mark.root
GROUP = f"/corral-test-{os.getpid()}"


def layouts() -> list[cg.Layout]:
    found = cg.detect()
    beside = [cg.Layout("v2", {}, found.unified)] if found.version == "hybrid" else []
    return [found, *beside]


@pytest.fixture(params=layouts(), ids=lambda layout: layout.version)
def groups(request: pytest.FixtureRequest) -> Iterator[cg.Cgroups]:
    groups = cg.Cgroups(request.param)
    yield groups
    groups.kill(GROUP)
    groups.remove(GROUP)
    assert not groups.exists(GROUP)


async def asleep_in(groups: cg.Cgroups, group: str) -> Child:
    child = spawn(["sleep", "60"])
    groups.enter(group, child.pid)
    return child


async def test_life(groups: cg.Cgroups) -> None:
    group = f"{GROUP}/one/two"
    groups.create(group)
    groups.create(group)
    assert groups.children(GROUP) == ["one"]
    child = await asleep_in(groups, group)
    assert groups.pids(GROUP) == groups.pids(group) == [child.pid]
    assert groups.pids(GROUP, recursive=False) == []
    assert group in cg.membership(child.pid).values()
    with pytest.raises(HostError, match=r"remove cgroup .*/one/two: device or resource busy"):
        groups.remove(GROUP)
    groups.kill(GROUP)
    assert await child.wait() == -9
    groups.remove(group)
    groups.remove(group)
    groups.kill(group)


async def test_removal_ends_what_is_inside(groups: cg.Cgroups) -> None:
    """Many at once, as often as it takes for the kernel to be slow with one of them; and one that is busy for good."""
    for _ in range(10):
        groups.create(f"{GROUP}/one/two")
        inside = [await asleep_in(groups, f"{GROUP}/one/two") for _ in range(8)]
        await remove_group(groups, f"{GROUP}/one")
        assert not groups.exists(f"{GROUP}/one")
        assert [await child.wait() for child in inside] == [-9] * 8
    await remove_group(groups, f"{GROUP}/one")


async def test_what_does_not_end_is_named(groups: cg.Cgroups) -> None:
    groups.create(GROUP)
    child = await asleep_in(groups, GROUP)
    with pytest.raises(HostError, match=f"process {child.pid} in cgroup {GROUP} does not end"):
        await remove_group(groups, GROUP, patience=0)
    await remove_group(groups, GROUP)
    await child.wait()


async def test_freeze(groups: cg.Cgroups) -> None:
    groups.create(GROUP)
    child = await asleep_in(groups, GROUP)
    groups.freeze(GROUP)
    child.kill(15)
    assert child.code is None
    groups.thaw(GROUP)
    assert await child.wait() == -15
    assert not groups.frozen(GROUP)


async def test_stats() -> None:
    groups = cg.Cgroups(cg.detect())
    if "memory" not in groups.layout.controllers:
        pytest.fail("this host has no memory controller")
    groups.create(GROUP)
    child = await asleep_in(groups, GROUP)
    sample = groups.stats(GROUP)
    assert sample.pids == len(groups.pids(GROUP)) == 1
    assert sample.version == (2 if groups.layout.v2 else 1)
    assert sample.memory_detail
    child.kill()
    await child.wait()
    groups.remove(GROUP)


async def test_being_told_of_an_oom_kill() -> None:
    groups = cg.Cgroups(cg.detect())
    groups.create(GROUP)
    name = "memory.max" if groups.layout.v2 else "memory.limit_in_bytes"
    groups.write(GROUP, "memory", name, str(16 << 20))
    watch = OomWatch(groups)
    told = asyncio.Event()
    watch.add(GROUP, told.set)
    read, write = os.pipe()
    child = spawn([sys.executable, "-c", "input(); b'x' * (1 << 28)"], stdin=read)
    groups.enter(GROUP, child.pid)
    os.write(write, b"\n")
    try:
        assert await child.wait() == -9
        await asyncio.wait_for(told.wait(), 10 * PATIENCE)
        assert groups.oom_kills(GROUP) >= 1
    finally:
        os.close(read)
        os.close(write)
        await watch.close()
        groups.remove(GROUP)


async def test_the_parent_group_of_an_instance() -> None:
    groups = cg.Cgroups(cg.detect())
    tag = f"t{os.getpid():x}"
    group = await ensure_parent(groups, tag)
    assert group == plan_place(tag, systemd=running()).group
    try:
        assert await ensure_parent(groups, tag) == group
        groups.create(f"{group}/one")
        groups.write(f"{group}/one", "pids", "pids.max", "100")  # the controllers come down to containers
        child = await asleep_in(groups, f"{group}/one")
    finally:
        await remove_parent(groups, tag)
    assert await child.wait() == -9
    assert not groups.exists(group)
    await remove_parent(groups, tag)
