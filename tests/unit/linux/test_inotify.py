from __future__ import annotations

import asyncio
from pathlib import Path

from corral.linux import inotify


async def test_events_arrive(tmp_path: Path) -> None:
    watcher = inotify.Inotify()
    wd = watcher.add(str(tmp_path), inotify.CREATE | inotify.MOVED_TO)
    (tmp_path / "one").touch()
    seen = []

    async def collect() -> None:
        async for event in watcher:
            seen.append(event)
            if event.name == "two":
                watcher.close()

    task = asyncio.create_task(collect())
    await asyncio.sleep(0)
    (tmp_path / "two").touch()
    await asyncio.wait_for(task, 60)
    assert [(e.wd, e.name, e.overflow) for e in seen] == [(wd, "one", False), (wd, "two", False)]


async def test_close_ends_the_iteration(tmp_path: Path) -> None:
    watcher = inotify.Inotify()

    async def collect() -> list[inotify.Event]:
        return [event async for event in watcher]

    task = asyncio.create_task(collect())
    await asyncio.sleep(0)
    watcher.close()
    watcher.close()
    assert await asyncio.wait_for(task, 60) == []


async def test_cancelling_the_iteration_leaves_it_usable(tmp_path: Path) -> None:
    watcher = inotify.Inotify()
    watcher.add(str(tmp_path), inotify.CREATE)
    task = asyncio.create_task(anext(aiter(watcher)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (tmp_path / "x").touch()
    assert (await asyncio.wait_for(anext(aiter(watcher)), 60)).name == "x"
    watcher.close()


def test_overflow_is_reported() -> None:
    (event,) = inotify.parse_events(inotify._HEADER.pack(-1, inotify.OVERFLOW, 0, 0))
    assert event.overflow
