"""The volumes of this instance: made, used, filled, removed."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from corral.errors import Conflict, NotFound, from_oserror
from corral.kit.apart import apart
from corral.kit.clock import Clock, SystemClock
from corral.kit.ids import new_id
from corral.linux import mounts
from corral.model.volume import Volume
from corral.volumes import disk
from corral.volumes.attach import attach, reach
from corral.volumes.copies import Copies
from corral.volumes.fill import fill_from, fill_part
from corral.volumes.plan import ANONYMOUS_LABEL, check_driver, check_name, check_options, plan_mount

Names = list[str]
T = TypeVar("T")
Users = Callable[[str], Sequence[str]]  # a volume's name -> the ids of the containers that refer to it


def nobody(_: str) -> Names:
    return []


class Volumes:
    """Keeps them in the directory `root`. Who refers to a volume is the engine's to know; who has it mounted, ours.

    `copies`: whole volumes to and from tar streams and other volumes.
    """

    def __init__(self, root: str, clock: Clock | None = None) -> None:
        self.root = root
        self._clock = clock or SystemClock()
        self._volumes = disk.load(self.root)
        self._users: dict[str, set[str]] = defaultdict(set)
        self._claims: dict[str, set[str]] = defaultdict(set)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._going: set[asyncio.Task[Any]] = set()
        self.copies = Copies(self)

    async def through(self, work: Coroutine[Any, Any, T]) -> T:
        """Carries `work` through to its end, also when the caller is cancelled: a thread cannot stop half-way."""
        task = asyncio.ensure_future(work)
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return await asyncio.shield(task)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        """Nobody else works on the volume meanwhile. Its lock goes with it: who waited for that one takes the next."""
        while True:
            lock = self._locks[name]
            async with lock:
                if self._locks.get(name) is lock:
                    yield
                    return

    def exists(self, name: str) -> bool:
        return name in self._volumes

    def get(self, name: str) -> Volume:
        """NotFound in Docker's words."""
        if name not in self._volumes:
            raise NotFound(f"get {name}: no such volume")
        return self._volumes[name]

    def list(self) -> list[Volume]:
        """By name."""
        return sorted(self._volumes.values(), key=lambda volume: volume.name)

    async def create(
        self,
        name: str = "",
        *,
        driver: str = "local",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        anonymous: bool = False,
    ) -> Volume:
        """A new volume, or the one of that name; without a name it is anonymous and gets one of 64 digits.

        Raises InvalidInput (name, options), NotFound (driver), NoSpace, HostError.
        """
        anonymous = anonymous or not name
        name = name or new_id()
        check_driver(name, driver or "local")
        check_name(name)
        check_options(name, options or {})
        marks = {ANONYMOUS_LABEL: ""} if anonymous else {}
        volume = self._new(name, {**(labels or {}), **marks})
        volume.options, volume.anonymous = dict(options or {}), anonymous
        return await self.through(self._create(volume))

    def _new(self, name: str, labels: Mapping[str, str]) -> Volume:
        mountpoint = os.path.join(self.root, name, disk.DATA)
        return Volume(name, mountpoint=mountpoint, created=self._clock.now(), labels=dict(labels))

    @asynccontextmanager
    async def staged(self, name: str, labels: Mapping[str, str]) -> AsyncIterator[tuple[Volume, str]]:
        """A new volume and the directory to fill; it comes into being whole at the end, or not at all.

        Raises InvalidInput, NoSpace, HostError; Conflict if there is one of that name.
        """
        check_name(name)
        async with self._alone(name):
            if name in self._volumes:
                raise Conflict(f"create {name}: there is a volume of this name; remove it or choose another name")
            volume = self._new(name, labels)
            data = await asyncio.to_thread(disk.stage, self.root, volume)
            try:
                yield volume, data
            except BaseException:
                await asyncio.to_thread(disk.discard, self.root, volume)
                raise
            await asyncio.to_thread(partial(disk.settle, self.root, volume, filled=True))
            self._volumes[name] = volume

    async def _create(self, volume: Volume) -> Volume:
        async with self._alone(volume.name):
            if volume.name not in self._volumes:
                await asyncio.to_thread(disk.create, self.root, volume)
                self._volumes[volume.name] = volume
            return self._volumes[volume.name]

    async def remove(self, name: str, *, force: bool = False, users: Users = nobody) -> None:
        """Removes the volume and its data. `users` tells the ids of the containers that refer to it: asked at the last
        moment, for one may have come meanwhile.

        NotFound unless `force`; Conflict while it is referred to or mounted, even with `force`.
        """
        if name not in self._volumes and force:
            return
        self.get(name)
        await self.through(self._remove(name, users))

    async def _remove(self, name: str, users: Users) -> None:
        async with self._alone(name):
            if found := list(users(name)) or sorted(self._users.get(name) or self._claims.get(name) or ()):
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(found)}]")
            if name not in self._volumes:
                return  # removed by another while we waited
            # What is mounted there is another's, and never removed with it.
            mounts.unmount_under(os.path.join(self.root, name, disk.DATA))
            grave = await asyncio.to_thread(disk.bury, self.root, name)
            del self._volumes[name], self._locks[name]
        await asyncio.to_thread(disk.clear, grave)

    async def prune(self, select: Callable[[Volume], bool], users: Users) -> tuple[Names, int]:
        """Removes those without `users` that `select` takes: their names, and the bytes they held.

        Volumes that are mounts of something else stay: removing them frees nothing.
        """
        removed, freed = [], 0
        for volume in self.list():
            taken = users(volume.name) or self._users.get(volume.name) or self._claims.get(volume.name)
            if taken or volume.options or not select(volume):
                continue
            held = await self.size(volume.name)
            try:
                await self.remove(volume.name, users=users)
            except (NotFound, Conflict):  # taken by somebody since we looked
                continue
            removed.append(volume.name)
            freed += held
        return removed, freed

    def claim(self, name: str, user: str) -> None:
        """It is not removed from now on until `unclaim`, whether it exists yet or not: `user` is being made of it."""
        self._claims[name].add(user)

    def unclaim(self, name: str, user: str) -> None:
        self._claims[name].discard(user)
        if not self._claims[name]:
            del self._claims[name]

    async def size(self, name: str) -> int:
        """Bytes of its files; -1 for a volume that is a mount of something else."""
        volume = self.get(name)
        return -1 if volume.options else await asyncio.to_thread(disk.size, volume.mountpoint)

    async def is_empty(self, name: str) -> bool:
        """Whether it may want to be filled. What is not mounted now may be empty."""
        volume = self.get(name)
        if volume.options and not self._users.get(name):
            return True
        try:
            look = partial(disk.is_empty, volume.mountpoint)
            return await apart(look) if volume.options else look()
        except OSError as error:
            raise from_oserror(f"read volume {name}", error) from error

    async def acquire(self, name: str, user: str) -> str:
        """Makes the data available to `user` (a container's id) and returns where they are.

        A volume with mount options is mounted for its first user. HostError in Docker's words if that fails.
        """
        return await self.through(self._acquire(name, user))

    async def _acquire(self, name: str, user: str) -> str:
        async with self._alone(name):
            volume = self.get(name)
            if volume.options:
                # A server that is away holds up who asks for its files, and nobody else.
                await apart(partial(reach if self._users.get(name) else attach, volume))
            self._users[name].add(user)
            return volume.mountpoint

    async def release(self, name: str, user: str) -> None:
        """The user has ended. After the last one the volume is unmounted. May be called twice."""
        if name not in self._volumes:
            self._users.pop(name, None)
            return
        await self.through(self._release(name, user))

    async def _release(self, name: str, user: str) -> None:
        async with self._alone(name):
            users = self._users[name]
            users.discard(user)
            if users:
                return
            del self._users[name]
            volume = self._volumes.get(name)
            if volume is not None and plan_mount(volume.options):
                # Lazily, as Docker does: somebody of the host's may be in there.
                await apart(partial(mounts.unmount, volume.mountpoint, lazy=True))

    def restore(self, name: str, user: str) -> None:
        """After the daemon's restart: this user was found running, and the volume is mounted if it needs to be."""
        self._users[name].add(user)

    async def copy_up(self, name: str, rootfs: str, target: str, subpath: str = "") -> None:
        """Fills an empty volume, or the part `subpath` of one, with what the directory `target` of `rootfs` has, if
        there is such a directory.

        A volume that nobody uses is filled aside and put in place with one rename, so that it is never half-full.
        """
        await self.through(self._copy_up(name, rootfs, target, subpath))

    async def _copy_up(self, name: str, rootfs: str, target: str, subpath: str) -> None:
        user = f"copy-up {new_id()[:12]}"
        mountpoint = await self.acquire(name, user)
        try:
            if subpath:
                await asyncio.to_thread(fill_part, rootfs, target, mountpoint, subpath)
            else:
                alone = self._users[name] == {user} and not self._volumes[name].options
                await asyncio.to_thread(partial(fill_from, rootfs, target, mountpoint, aside=alone))
        finally:
            await self.release(name, user)
