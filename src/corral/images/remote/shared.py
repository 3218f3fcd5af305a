"""Shared: work that several ask for at the same time is done once; each hears all of it, and it ends with the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable

from corral.images.remote.progress import Report
from corral.model.transfer import Note

Work = Callable[[Report], Awaitable[None]]


class _One:
    def __init__(self) -> None:
        self.notes: dict[tuple[str, str], Note] = {}  # the latest of each layer, and all lines, for who comes later
        self.queues: set[asyncio.Queue[Note | None]] = set()
        self.task: asyncio.Task[None] | None = None

    def report(self, note: Note) -> None:
        key = (note.id, "" if note.what == "layer" else f"{len(self.notes)} {note.status}")
        self.notes[key] = note
        for queue in self.queues:
            queue.put_nowait(note)

    def end(self, _: object) -> None:
        for queue in self.queues:
            queue.put_nowait(None)


class Shared:
    """Work by key. `follow` starts it, or joins it."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _One] = {}

    async def follow(self, key: Hashable, work: Work) -> AsyncGenerator[Note, None]:
        """The notes, as they come; raises what the work raised. Closing it early leaves the work to the others, and
        cancels it, and waits for that, when there are none."""
        one = self._running.get(key)
        if one is None:
            one = self._running[key] = _One()
            one.task = asyncio.get_running_loop().create_task(self._run(key, one, work), name="transfer")
            one.task.add_done_callback(one.end)
        assert one.task is not None
        queue: asyncio.Queue[Note | None] = asyncio.Queue()
        for note in one.notes.values():
            queue.put_nowait(note)
        one.queues.add(queue)
        if one.task.done():
            queue.put_nowait(None)
        try:
            while (following := await queue.get()) is not None:
                yield following
            await one.task
        finally:
            one.queues.discard(queue)
            if not one.queues and not one.task.done():
                if self._running.get(key) is one:
                    del self._running[key]  # who comes now starts anew
                one.task.cancel()
                await asyncio.wait([one.task])

    async def _run(self, key: Hashable, one: _One, work: Work) -> None:
        try:
            await work(one.report)
        finally:
            if self._running.get(key) is one:
                del self._running[key]

    async def close(self) -> None:
        """Cancels all."""
        tasks = [one.task for one in self._running.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
