"""Being told when the kernel kills a container's process for want of memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from corral.errors import from_oserror
from corral.kit.tasks import Tasks
from corral.linux.cgroups import Cgroups
from corral.linux.inotify import MODIFY, Inotify

Told = Callable[[], None]


class OomWatch:
    """Calls back once for each event in which processes of a group were killed, while the group is watched.

    v2: inotify on memory.events, one instance for all. v1: an eventfd for each group.
    """

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._told: dict[str, Told] = {}
        self._seen: dict[str, int] = {}
        self._keys: dict[str, int] = {}  # watch descriptor on v2, eventfd on v1
        self._groups: dict[int, str] = {}
        self._inotify: Inotify | None = None
        self._tasks = Tasks()

    def add(self, group: str, told: Told) -> int:
        """Watches a group that exists; how many processes have been killed before. Without a memory controller nothing
        will ever be told."""
        self.remove(group)
        if "memory" not in self._cgroups.layout.controllers:
            return 0
        try:
            key = self._watch_v2(group) if self._cgroups.layout.v2 else self._watch_v1(group)
        except OSError as error:
            raise from_oserror(f"watch memory of cgroup {group}", error) from error
        self._told[group], self._keys[group], self._groups[key] = told, key, group
        self._seen[group] = seen = self._cgroups.oom_kills(group)
        return seen

    def remove(self, group: str) -> None:
        """A group that is not watched is fine."""
        key = self._keys.pop(group, None)
        if key is None:
            return
        del self._told[group], self._groups[key], self._seen[group]
        if self._cgroups.layout.v2:
            if self._inotify is not None:
                self._inotify.remove(key)
        else:
            asyncio.get_running_loop().remove_reader(key)
            os.close(key)

    async def close(self) -> None:
        for group in list(self._keys):
            self.remove(group)
        if self._inotify is not None:
            self._inotify.close()
        await self._tasks.close()

    def _watch_v2(self, group: str) -> int:
        if self._inotify is None:
            self._inotify = Inotify()
            self._tasks.start("oom-watch", self._listen(self._inotify))
        return self._inotify.add(f"{self._cgroups.path(group, 'memory')}/memory.events", MODIFY)

    async def _listen(self, inotify: Inotify) -> None:
        async for event in inotify:
            for group in list(self._groups.values()) if event.overflow else [self._groups.get(event.wd, "")]:
                self._look(group)

    def _watch_v1(self, group: str) -> int:
        directory = self._cgroups.path(group, "memory")
        event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            control = os.open(f"{directory}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._cgroups.write(group, "memory", "cgroup.event_control", f"{event} {control}")
            finally:
                os.close(control)
        except BaseException:
            os.close(event)
            raise
        asyncio.get_running_loop().add_reader(event, self._ready, event)
        return event

    def _ready(self, event: int) -> None:
        os.eventfd_read(event)
        self._look(self._groups.get(event, ""))

    def _look(self, group: str) -> None:
        if group not in self._told:
            return
        count = self._cgroups.oom_kills(group)
        # v1 tells before the victim is chosen, and once more when the group is removed: a group that is still
        # there and under memory pressure counts, whether or not the counter has moved yet.
        early = not self._cgroups.layout.v2 and os.path.isdir(self._cgroups.path(group, "memory"))
        if count > self._seen[group] or early:
            self._seen[group] = max(count, self._seen[group])
            self._told[group]()
