"""Background work that somebody owns: a set of tasks, and a bounded queue for work after the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

log = logging.getLogger("corral")

AGAIN_SECONDS: Final = 30.0  # longer than any clean-up of a cancelled task takes


class Tasks:
    """Tasks with one owner: their failures are logged with their names, and `close` ends them all.

    Unlike `asyncio.TaskGroup` the failure of one leaves the others alone.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task %s failed: %s", task.get_name(), error, exc_info=error)

    async def wait(self) -> None:
        """Returns when all that was started so far has ended."""
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def close(self) -> None:
        """Cancels what still runs and waits for it. The caller itself may be one of the tasks.

        What has not ended after a while is named in the log and cancelled again: a library in between may have
        swallowed the first time.
        """
        mine = asyncio.current_task()
        pending = {t for t in self._tasks if t is not mine}
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
            for task in pending:
                log.warning("task %s was cancelled and has not ended; cancelling it again", task.get_name())


class Afterwork:
    """Runs clean-up after the answer was given, begun in order. `put` waits while over `limit` wait (back-pressure).

    Teardown sets the sustained rate of container starts, so the bound keeps a burst from piling up mounts. What was
    handed over is run, also when who handed it over is cancelled while waiting.
    """

    def __init__(self, limit: int = 64, workers: int = 2) -> None:
        self._queue: asyncio.Queue[tuple[str, Callable[[], Awaitable[None]]]] = asyncio.Queue()
        self._tasks = Tasks()
        self._limit, self._workers = limit, workers
        self._room = asyncio.Event()
        self._room.set()
        self._started = False

    def add(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Hands over without waiting: for who holds what others need."""
        if not self._started:
            self._started = True
            for n in range(self._workers):
                self._tasks.start(f"afterwork-{n}", self._run())
        self._queue.put_nowait((name, work))
        if self._queue.qsize() >= self._limit:
            self._room.clear()

    async def put(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Hands over, and returns when not too much waits any more."""
        self.add(name, work)
        await self.room()

    async def room(self) -> None:
        """Returns when not too much waits."""
        await self._room.wait()

    async def _run(self) -> None:
        while True:
            name, work = await self._queue.get()
            if self._queue.qsize() < self._limit:
                self._room.set()
            try:
                await work()
            except Exception:
                log.exception("clean-up %s failed", name)
            finally:
                self._queue.task_done()

    async def drain(self) -> None:
        """Returns when everything handed over so far is done."""
        await self._queue.join()

    async def close(self) -> None:
        await self.drain()
        await self._tasks.close()
