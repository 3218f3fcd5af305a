"""Cache mounts' directories: what is half made is not left."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from corral.build.caches import CacheDirs
from corral.build.ops import RunMount
from corral.kit.clock import SystemClock

pytestmark = pytest.mark.root

MOUNT = RunMount("cache", "/c", id="c")


@pytest.fixture
def caches(tmp_path: Path) -> CacheDirs:
    return CacheDirs(f"{tmp_path}/caches", SystemClock())


async def test_one_whose_filling_is_cancelled_leaves_nothing(caches: CacheDirs, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def fill(target: str) -> None:
        Path(target, "half").write_text("x")
        begun.set()
        await asyncio.Event().wait()

    async def use() -> None:
        async with caches.use(MOUNT, "base", fill):
            pass

    task = asyncio.create_task(use())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(tmp_path / "caches") == []


async def test_the_next_one_begins_anew(caches: CacheDirs) -> None:
    async def fail(target: str) -> None:
        Path(target, "half").write_text("x")
        raise ValueError

    async def fill(target: str) -> None:
        Path(target, "whole").write_text("x")

    with pytest.raises(ValueError):
        async with caches.use(MOUNT, "base", fail):
            pass
    async with caches.use(MOUNT, "base", fill) as place:
        assert os.listdir(place) == ["whole"]
    async with caches.use(MOUNT, "base", fail) as place:
        assert os.listdir(place) == ["whole"], "it is filled once"


async def test_what_belongs_to_others_is_another_cache(caches: CacheDirs) -> None:
    """One name, but not one owner: as in BuildKit, nobody is given a directory that they cannot write to."""
    theirs = RunMount("cache", "/c", id="c", uid=7, gid=8, mode=0o700)
    async with caches.use(MOUNT, "", None) as roots, caches.use(theirs, "", None) as place:
        assert roots != place
        found = os.stat(place)
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (7, 8, 0o700)
    async with caches.use(theirs, "", None) as again:
        assert again == place
