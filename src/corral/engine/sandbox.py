"""Sandboxes: a writable layer for one piece of work, in which processes run as in a container that nobody sees.

A sandbox has no record. What a killed daemon leaves of one belongs to no container, so the next one sweeps it away
(`adopt.py`): its processes, mounts, cgroup, network place and files.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from msgspec.structs import replace

from corral.engine.access import mounted_rootfs
from corral.engine.check import check
from corral.engine.create import complete
from corral.engine.merge import plan_merge
from corral.engine.mounts import plan_mount_points
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remap import Remap
from corral.engine.start import make_hub, start
from corral.engine.stop import AFTER_KILL, kill_hard
from corral.engine.teardown import discard
from corral.engine.userns import remap_of
from corral.engine.wait import Waiter
from corral.errors import HostError, from_oserror
from corral.images.library import top
from corral.kit.ids import new_id
from corral.linux import mounts
from corral.linux.idmap import with_ids
from corral.linux.tree import remove_tree
from corral.model.container import Container, ContainerSpec, LogSpec
from corral.model.image import ImageConfig


class Ear(Protocol):
    """Who is told what a process writes: 1 stdout, 2 stderr. What it has no room for waits, in a file if it is much."""

    def hear(self, stream: int, data: bytes) -> None: ...
    async def room(self) -> None: ...


class Sandbox:
    """One of them; made by `Sandboxes.open`. One thing at a time."""

    def __init__(self, parts: Parts, id: str) -> None:
        self._parts, self.id = parts, id
        self._live: Live | None = None

    def rootfs(self) -> AbstractAsyncContextManager[str]:
        """Where the files are, mounted for the while. Users have the ids that they have inside."""
        return mounted_rootfs(self._parts, self.id)

    async def run(self, spec: ContainerSpec, ear: Ear) -> int:
        """Runs a process to its end; its exit code. `spec.image` does not count.

        RuntimeFailed where the program cannot be started, and all that creating and starting a container raises.
        Cancelled, it returns when everything of the process is gone.
        """
        live = self._live = self._make(spec)
        try:
            live.hub = make_hub(self._parts, live)
            console = live.hub.join(stdin=False, streams=frozenset((1, 2)), running=False)
            waiter = Waiter(live, "next-exit")
            await start(self._parts, live)
            async for stream, data in console:
                ear.hear(stream, data)
                await ear.room()
            return (await waiter).exit_code
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end(live)))

    def _make(self, spec: ContainerSpec) -> Live:
        parts, id = self._parts, self.id
        spec = replace(spec, log=LogSpec("none"))
        spec, _ = check(parts, complete(parts, plan_merge(spec, ImageConfig()), id))
        command = [*(spec.entrypoint or []), *(spec.command or [])]
        record = Container(
            id,
            id,
            parts.clock.now(),
            "",
            spec,
            path=command[0],
            args=command[1:],
            mount_points=plan_mount_points(spec, [], new_id),
            runtime=parts.runtimes.choose(spec.runtime).name,
            ready=True,
            hidden=True,
        )
        return parts.registry.hide(record)

    async def _end(self, live: Live) -> None:
        """Kills what still runs, and waits until nothing of it is left on the host but the files."""
        self._live = None
        try:
            async with live.lock:
                if live.record.state.status in ("running", "paused"):
                    live.record.state.stopped_by_user = True
                    await kill_hard(self._parts, live)
            async with asyncio.timeout(AFTER_KILL):
                await live.exited.wait()
            await live.torn_down.wait()
        except TimeoutError:
            raise HostError(f"process {live.record.path} was killed, and did not end") from None
        finally:
            self._parts.registry.forget(live)

    @property
    def upper(self) -> str:
        """What was written."""
        return self._parts.images.rootfs.upper(self.id)


class Sandboxes:
    """Makes them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @asynccontextmanager
    async def open(self, chain: str, places: Mapping[str, str] | None = None) -> AsyncIterator[Sandbox]:
        """A writable layer on the layers up to `chain`, which the caller holds. It is gone at the end, unless it has
        become a layer. `places` are mount points that are not to be a part of it (see `RootFilesystems.prepare`)."""
        id = new_id()
        self._parts.images.prepare_on(id, chain, places)
        try:
            yield Sandbox(self._parts, id)
        finally:
            await asyncio.shield(asyncio.ensure_future(discard(self._parts, id)))

    @asynccontextmanager
    async def image(self, ref: str) -> AsyncIterator[str]:
        """The files of an image, to be read. NotFound. Its layers stay for as long as it lasts."""
        image = self._parts.images.get(ref)
        async with self.open(top(image)) as sandbox, sandbox.rootfs() as rootfs:
            yield rootfs

    @asynccontextmanager
    async def show(self, dirs: Sequence[str], *, inside: bool = False) -> AsyncIterator[str]:
        """Directories that lie on each other, the top first, as one that is only read.

        `inside`: to be mounted in a sandbox, so with the ids that its users have on the host.
        """
        dirs = [self.seen(path) for path in dirs] if inside else list(dirs)
        async with self._mounted(dirs) as target:
            yield target

    @asynccontextmanager
    async def overlay(self, dirs: Sequence[str]) -> AsyncIterator[str]:
        """The same for a sandbox that may write there: what it writes is thrown away."""
        scratch = f"{self._parts.images.scratch}/{new_id()[:16]}"
        there, remap = os.stat(dirs[0]) if dirs else None, self.remap
        try:
            for path in (scratch, f"{scratch}/upper", f"{scratch}/work"):
                os.mkdir(path)
            os.chmod(f"{scratch}/upper", there.st_mode & 0o7777 if there else 0o755)
            if there:
                os.chown(f"{scratch}/upper", there.st_uid, there.st_gid)
            own = self.seen(scratch)
            async with self._mounted(
                [self.seen(path) for path in dirs], own, remap.maps.root if remap else None
            ) as path:
                yield path
        except OSError as error:
            raise from_oserror("make a writable view", error) from error
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, scratch))

    @asynccontextmanager
    async def _mounted(
        self, dirs: list[str], own: str = "", owner: tuple[int, int] | None = None
    ) -> AsyncIterator[str]:
        base = f"{self._parts.paths.run}/m"
        target, empty = f"{base}/{new_id()[:16]}", f"{base}/empty"
        lowers = dirs if len(dirs) > 1 or own else [*dirs, empty]
        os.makedirs(empty, exist_ok=True)
        if not dirs and not own:
            yield empty
            return

        def mount() -> None:
            if own:
                mounts.mount_overlay(target, lowers or [empty], f"{own}/upper", f"{own}/work", "volatile")
            else:
                mounts.mount_overlay(target, lowers)

        os.makedirs(target)
        try:
            mount() if owner is None else with_ids(*owner, mount)
            yield target
        finally:
            self._parts.images.rootfs.unmount(target)
            with suppress(OSError):
                os.rmdir(target)

    def seen(self, path: str) -> str:
        """By which path a directory of the instance is mounted in a sandbox."""
        return self.remap.seen(path) if self.remap else path

    @property
    def remap(self) -> Remap | None:
        """How the users inside are mapped: None where they are the host's."""
        return remap_of(self._parts, ContainerSpec(""))
