"""What a RUN's mounts come to: directories and files that are made ready for one process, and taken away after it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from corral.build.agents import forwarded
from corral.build.caches import CacheDirs
from corral.build.client import Client
from corral.build.copying import Source, carry_out
from corral.build.ops import CopyOp, InlineFile, RunMount
from corral.build.origins import Origin, inside, opened
from corral.build.request import BuildFailed
from corral.build.stopping import in_stoppable_thread
from corral.engine.sandbox import Sandboxes
from corral.images.union import find, resolve
from corral.kit.ids import new_id
from corral.linux import mounts
from corral.linux.tree import remove_tree
from corral.model.container import Mount

_PIPES = "/dev/pipes"
_ENGINES = ("dev", "proc", "sys")  # mounted by the engine: what is made there stays nowhere


@dataclass
class Prepared:
    """What the container's specification gets."""

    mounts: list[Mount] = field(default_factory=list)
    tmpfs: dict[str, str] = field(default_factory=dict)
    environment: list[str] = field(default_factory=list)


def plan_places(targets: Mapping[str, str], layers: Sequence[str]) -> dict[str, str]:
    """The mount points that the layers lack: `targets`, each "dir" or "file". Links are followed."""
    places: dict[str, str] = {}
    for target, kind in targets.items():
        path = resolve(layers, target)
        if path and path.partition("/")[0] not in _ENGINES and find(layers, path) is None:
            places[path] = kind
    return places


def plan_tmpfs(mount: RunMount) -> str:
    """Pure: the options of a tmpfs.

    >>> plan_tmpfs(RunMount("tmpfs", "/t", size=4096))
    'exec,dev,mode=1777,size=4096'
    """
    return f"exec,dev,mode=1777,size={mount.size}" if mount.size else "exec,dev,mode=1777"


class Mounting:
    """The mounts of one process. What it makes lies in `scratch`, and is gone when `stack` is closed."""

    def __init__(
        self,
        sandboxes: Sandboxes,
        caches: CacheDirs,
        scratch: str,
        stack: AsyncExitStack,
        origin: Callable[[str], Awaitable[Origin]],
        client: Client,
    ) -> None:
        self._sandboxes, self._caches, self._stack, self._origin = sandboxes, caches, stack, origin
        self._client = client
        self._scratch = f"{scratch}/{new_id()[:16]}"
        self._shared: dict[tuple[str, str], str] = {}  # cache directories, by id and by what they begin with
        self.prepared = Prepared()
        self.targets: dict[str, str] = {}

    async def prepare(self, wanted: Sequence[RunMount], files: Sequence[InlineFile]) -> Prepared:
        """All of them. BuildFailed for what is required and not there."""
        os.makedirs(self._scratch, mode=0o711)
        self._stack.callback(remove_tree, self._scratch)
        for number, mount in sorted(enumerate(wanted), key=lambda pair: pair[1].id):  # so that locks are not crossed
            await getattr(self, f"_{mount.kind}")(mount, number)
        if files:
            self._files(files)
        return self.prepared

    def _show(self, source: str, target: str, *, read_only: bool, kind: str = "dir") -> None:
        mount = Mount("bind", target, source, read_only=read_only)
        self.prepared.mounts.append(mount)
        self.targets[target] = kind

    async def _bind(self, mount: RunMount, number: int) -> None:
        origin = await self._origin(mount.origin)
        if mount.read_only:
            root = await self._stack.enter_async_context(self._sandboxes.show(origin.dirs, inside=True))
        else:
            root = await self._stack.enter_async_context(self._sandboxes.overlay(origin.dirs))
        path = inside(root, mount.source)
        self._show(path, mount.target, read_only=mount.read_only, kind="dir" if os.path.isdir(path) else "file")

    async def _cache(self, mount: RunMount, number: int) -> None:
        base, fill = "", None
        if mount.origin:
            origin = await self._origin(mount.origin)
            base = f"{origin.chain or origin.name} {mount.source.strip('/')}"

            async def fill(target: str) -> None:
                op = CopyOp([f"{mount.source.strip('/')}/"], "/", literal=True)
                async with opened(self._sandboxes, origin) as root:
                    source = Source(root, origin.owner, origin.name)
                    await in_stoppable_thread("cache", lambda check: carry_out(op, source, target, {}, check))

        known = (mount.id or mount.target, base)
        if known not in self._shared:  # one process may have it at several places
            self._shared[known] = await self._stack.enter_async_context(self._caches.use(mount, base, fill))
        self._show(self._sandboxes.seen(self._shared[known]), mount.target, read_only=mount.read_only)

    async def _tmpfs(self, mount: RunMount, number: int) -> None:
        self.prepared.tmpfs[mount.target] = plan_tmpfs(mount)
        self.targets[mount.target] = "dir"

    async def _secret(self, mount: RunMount, number: int) -> None:
        value = await self._client.secret(mount.id)
        if value is None:
            if mount.required:
                raise BuildFailed(f"secret {mount.id}: not found")
            return
        if mount.env:
            self.prepared.environment.append(f"{mount.env}={value.decode(errors='surrogateescape')}")
        if mount.target:
            path = f"{self._secret_place()}/{number}"
            self._write(path, value, 0o400 if mount.mode is None else mount.mode, mount.uid, mount.gid)
            self._show(path, mount.target, read_only=True, kind="file")

    def _secret_place(self) -> str:
        """A directory in memory: a secret is never written to a disk."""
        place = f"{self._scratch}/secrets"
        if not os.path.isdir(place):
            os.mkdir(place)
            flags = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC
            mounts.mount("tmpfs", place, "tmpfs", flags, "mode=0711")
            self._stack.callback(mounts.unmount, place, lazy=True)
        return place

    async def _ssh(self, mount: RunMount, number: int) -> None:
        id = mount.id or "default"
        agent = await self._client.agent(id)
        if not agent:
            if mount.required:
                raise BuildFailed(f"unset ssh forward key {id}")
            return
        socket = f"{self._scratch}/agent-{number}"
        mode = 0o600 if mount.mode is None else mount.mode
        await self._stack.enter_async_context(forwarded(agent, socket, self._owner(mount.uid, mount.gid), mode))
        self._show(socket, mount.target, read_only=False, kind="file")

    def _files(self, files: Sequence[InlineFile]) -> None:
        folder = f"{self._scratch}/pipes"
        os.mkdir(folder)
        os.chown(folder, *self._owner(0, 0))
        for file in files:
            if "/" in file.name or file.name in ("", ".", ".."):
                raise BuildFailed(f"here-document {file.name!r} is no name for a file")
            self._write(f"{folder}/{file.name}", file.content.encode(errors="surrogateescape"), 0o755, 0, 0)
        self._show(folder, _PIPES, read_only=True)

    def _owner(self, uid: int, gid: int) -> tuple[int, int]:
        remap = self._sandboxes.remap
        return remap.maps.outside(uid, gid) if remap else (uid, gid)

    def _write(self, path: str, data: bytes, mode: int, uid: int, gid: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
            os.fchown(file.fileno(), *self._owner(uid, gid))
            os.fchmod(file.fileno(), mode)
