"""One inotify instance for all logs: who wants to hear of changes in which directory or file."""

from __future__ import annotations

from collections.abc import Callable

from corral.kit.tasks import Tasks
from corral.linux import inotify
from corral.linux.inotify import Inotify

Heard = Callable[[], None]
_GONE = inotify.IGNORED | inotify.UNMOUNT | inotify.DELETE_SELF


class Watches:
    """Calls back when something happens at a path; the callback looks for itself what it was.

    The kernel keeps one watch for each file, whoever asks; so listeners of the same one share it. Made on the
    running event loop; users have a limited number of instances (128), so there is one for all.
    """

    def __init__(self) -> None:
        self._inotify = Inotify()
        self._listeners: dict[int, list[Heard]] = {}
        self._once: set[int] = set()
        self._tasks = Tasks()
        self._tasks.start("log-watches", self._run())

    def listen(self, path: str, mask: int, heard: Heard) -> Callable[[], None]:
        """Calls `heard` at each event of `mask` at `path`, and once when the path goes away. Returns how to stop.

        Raises HostError if the path does not exist or the user's watches are used up. A `mask` with ONESHOT is
        heard once and then over; do not mix it with lasting ones at the same path.
        """
        once = bool(mask & inotify.ONESHOT)
        wd = self._inotify.add(path, mask if once else mask | inotify.MASK_ADD)
        if once:
            self._once.add(wd)
        self._listeners.setdefault(wd, []).append(heard)

        def stop() -> None:
            listeners = self._listeners.get(wd, [])
            if heard in listeners:
                listeners.remove(heard)
                if not listeners:
                    self._forget(wd)
                    self._inotify.remove(wd)

        return stop

    def _forget(self, wd: int) -> list[Heard]:
        self._once.discard(wd)
        return self._listeners.pop(wd, [])

    async def _run(self) -> None:
        async for event in self._inotify:
            # After an overflow nobody knows what has happened where.
            for wd in list(self._listeners) if event.overflow else [event.wd]:
                over = event.mask & _GONE or wd in self._once
                for heard in self._forget(wd) if over else list(self._listeners.get(wd, ())):
                    heard()

    async def close(self) -> None:
        self._inotify.close()
        await self._tasks.close()
