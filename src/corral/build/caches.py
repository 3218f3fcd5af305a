"""Cache mounts: directories that stay between builds, each known by its id and by what it began with.

::

    build/caches/KEY/data     the files, of one directory
    build/caches/KEY/about    what it is (JSON): written last, so a directory without it is half made

With sharing "private", builds that need one at the same time get one each: KEY, KEY.1, KEY.2, …
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from corral.build.cache import make_key
from corral.build.ops import RunMount
from corral.errors import from_oserror
from corral.images.changes import size_of_tree
from corral.kit.clock import Clock
from corral.linux.private import make_private
from corral.linux.streams import in_thread
from corral.linux.tree import remove_tree
from corral.model.container import Struct

_GONE = ".gone"  # the name of one that is being deleted ends so
Fill = Callable[[str], Awaitable[None]]  # puts the first files into a directory


class CacheDir(Struct):
    """One of them."""

    key: str
    id: str
    created: int
    used: int
    count: int = 0
    size: int = 0
    in_use: bool = False
    shared: bool = False


def _whose(mount: RunMount) -> list[int | None]:
    """What sets caches of one name apart, as in BuildKit: whose they are, where that is said. Pure.

    >>> _whose(RunMount("cache", "/c")), _whose(RunMount("cache", "/c", uid=5, mode=0o700))
    ([], [5, 0, 448])
    """
    return [mount.uid, mount.gid, mount.mode] if mount.uid or mount.gid or mount.mode is not None else []


class CacheDirs:
    """Those under `root`."""

    def __init__(self, root: str, clock: Clock) -> None:
        self._root, self._clock = root, clock
        self._users: dict[str, int] = {}
        self._alone: dict[str, asyncio.Lock] = {}
        self._filling: dict[str, asyncio.Lock] = {}
        make_private(root)

    def sweep(self) -> None:
        """Deletes what a crash left half made. Blocking; before any is used."""
        for name in os.listdir(self._root):
            if name.endswith(_GONE) or not os.path.exists(f"{self._root}/{name}/about"):
                remove_tree(f"{self._root}/{name}")

    @asynccontextmanager
    async def use(self, mount: RunMount, base: str, fill: Fill | None) -> AsyncIterator[str]:
        """The directory of a mount, for the while: alone where the mount says so. `base` names what it begins with,
        which `fill` brings."""
        key = make_key("cache", mount.id or mount.target, base, *_whose(mount))[:32]
        if mount.sharing == "private":
            key = self._free(key)
        lock = self._alone.setdefault(key, asyncio.Lock())
        self._users[key] = self._users.get(key, 0) + 1
        try:
            if mount.sharing == "locked":
                async with lock:
                    yield await self._ready(key, mount, fill)
            else:
                yield await self._ready(key, mount, fill)
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self._alone.pop(key, None)
                self._filling.pop(key, None)

    def _free(self, key: str) -> str:
        """The first of its kind that nobody uses."""
        number, name = 0, key
        while self._users.get(name):
            number += 1
            name = f"{key}.{number}"
        return name

    async def _ready(self, key: str, mount: RunMount, fill: Fill | None) -> str:
        """Makes it where it is not there yet, and notes its use."""
        place = f"{self._root}/{key}"
        async with self._filling.setdefault(key, asyncio.Lock()):
            try:
                about = self._read(key)
                if about is None:
                    await self._begin(place, mount, fill)
                now = self._clock.now()
                count = about["count"] if about else 0
                created = about["created"] if about else now
                self._write(key, {"id": mount.id or mount.target, "created": created, "used": now, "count": count + 1})
            except OSError as error:
                raise from_oserror(f"make the cache {mount.id or mount.target}", error) from error
        return f"{place}/data"

    async def _begin(self, place: str, mount: RunMount, fill: Fill | None) -> None:
        """Its first files. One that could not be filled, or need not be any more, leaves nothing."""
        try:
            await in_thread("remove a cache", lambda: remove_tree(place))
            os.makedirs(f"{place}/data")
            os.chmod(f"{place}/data", 0o755 if mount.mode is None else mount.mode)
            os.chown(f"{place}/data", mount.uid, mount.gid)
            if fill is not None:
                await fill(f"{place}/data")
        except BaseException:
            remove_tree(place)
            raise

    def _read(self, key: str) -> dict[str, int] | None:
        try:
            with open(f"{self._root}/{key}/about") as file:
                return dict(json.load(file))
        except (FileNotFoundError, ValueError):
            return None

    def _write(self, key: str, about: dict[str, object]) -> None:
        path = f"{self._root}/{key}/about"
        with open(f"{path}.new", "w") as file:
            json.dump(about, file)
        os.rename(f"{path}.new", path)

    def list(self) -> list[CacheDir]:
        """All, with their sizes. Blocking."""
        found = []
        for key in os.listdir(self._root):
            about = self._read(key)
            if about is not None and not key.endswith(_GONE):
                size = size_of_tree(f"{self._root}/{key}/data")
                id, created, used, count = str(about["id"]), about["created"], about["used"], about["count"]
                found.append(CacheDir(key, id, created, used, count, size, key in self._users))
        return found

    def _has(self, key: str) -> bool:
        return "/" not in key and os.path.exists(f"{self._root}/{key}/about")

    async def remove(self, key: str) -> bool:
        """Deletes one that nobody uses; whether it did. It loses its name at once, so that nobody starts to use it."""
        if key in self._users or not self._has(key):
            return False
        grave = f"{self._root}/{key}.{os.urandom(4).hex()}{_GONE}"
        os.rename(f"{self._root}/{key}", grave)
        await in_thread("remove a cache", lambda: remove_tree(grave))
        return True
