"""The verbs on containers. Each is one call into the file that has its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress

from corral.engine import archive, commit, freeze, links, stats
from corral.engine import create as creation
from corral.engine import remove as removal
from corral.engine import start as starting
from corral.engine import stop as stopping
from corral.engine import update as updating
from corral.engine.access import mounted_rootfs, view
from corral.engine.bundle import refresh_hosts
from corral.engine.hub import Attachment
from corral.engine.logs import log_details, read_log
from corral.engine.parts import Parts
from corral.engine.remap import maps_of
from corral.engine.wait import Condition, Waiter
from corral.errors import Conflict, InvalidInput, NotFound, Unchanged
from corral.model.container import Container, ContainerSpec, RestartPolicy
from corral.model.image import Change
from corral.model.process import LogEntry, LogQuery
from corral.model.stats import Stats
from corral.runtime.security import plan_apparmor

Table = tuple[list[str], list[list[str]]]
Texts = list[str]
Changes = list[Change]


class Containers:
    """Every `ref` is an id, an unambiguous id prefix or a name; NotFound when there is no such container."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def get(self, ref: str) -> Container:
        """The record as it is now. It is the engine's own: read it, do not change it."""
        return self._parts.registry.get(ref).record

    def list(self, *, unlisted: bool = False) -> list[Container]:
        """All containers; those that only some are shown (`ContainerSpec.unlisted`) if `unlisted`."""
        records = [live.record for live in self._parts.registry if live.record.ready and not live.record.hidden]
        return [record for record in records if unlisted or not record.spec.unlisted]

    def apparmor(self, container: Container) -> str:
        """The AppArmor profile that is in force; before the first start the one that was asked for."""
        security = container.spec.security
        return plan_apparmor(security, self._parts.limits) if container.state.started_at else security.apparmor

    def exec_ids(self, ref: str) -> Texts:
        """The exec sessions of a container that have not ended."""
        return sorted(self._parts.registry.get(ref).execs)

    async def create(self, spec: ContainerSpec, name: str = "") -> creation.Created:
        return await creation.create(self._parts, spec, name)

    async def start(self, ref: str) -> None:
        await starting.start(self._parts, self._parts.registry.get(ref))

    async def stop(self, ref: str, timeout: int | None = None, signal: str = "") -> None:
        await stopping.stop(self._parts, self._parts.registry.get(ref), timeout, signal)

    async def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        await stopping.kill(self._parts, self._parts.registry.get(ref), signal)

    async def restart(self, ref: str, timeout: int | None = None, signal: str = "") -> None:
        """Stops if it runs, then starts. A container that removes itself is kept through it."""
        live = self._parts.registry.get(ref)
        live.kept += 1
        try:
            with suppress(Unchanged):  # it does not run: a restart is then a start
                await stopping.stop(self._parts, live, timeout, signal)
            with suppress(Unchanged):  # somebody else has started it since
                await starting.start(self._parts, live)
        finally:
            live.kept -= 1
        self._parts.tell(live, "restart")

    def frozen(self, volume: str) -> AbstractAsyncContextManager[None]:
        """Those that have the volume are paused for as long as it lasts; none for the volume ""."""
        return freeze.frozen(self._parts, volume)

    async def pause(self, ref: str) -> None:
        await stopping.pause(self._parts, self._parts.registry.get(ref))

    async def unpause(self, ref: str) -> None:
        await stopping.unpause(self._parts, self._parts.registry.get(ref))

    def waiter(self, ref: str, condition: Condition = "not-running") -> Waiter:
        """Registered when this returns: nothing that happens later is missed."""
        return Waiter(self._parts.registry.get(ref), condition)

    async def rename(self, ref: str, name: str) -> None:
        """Conflict when the name is taken; InvalidInput when it is the same."""
        live = self._parts.registry.get(ref)
        async with live.lock:
            old = live.name
            if live.removed:
                raise NotFound(f"No such container: {ref}")
            if name == old:
                raise InvalidInput("Renaming a container with the same name as its current name")
            self._parts.registry.reserve(name, live.id)
            live.record.name = name
            try:
                await self._parts.registry.save(live.record)
            except BaseException:
                live.record.name = old
                self._parts.registry.release(name, live.id)
                raise
            self._parts.registry.release(old, live.id)
            self._parts.networks.rename(live.id, name)
            self._parts.tell(live, "rename", oldName=f"/{old}")

    async def update(self, ref: str, resources: Mapping[str, object], restart: RestartPolicy | None = None) -> Texts:
        """Changes limits (fields of `Resources` by name) and the restart policy: warnings."""
        return await updating.update(self._parts, self._parts.registry.get(ref), resources, restart)

    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None:
        await removal.remove(self._parts, self._parts.registry.get(ref), force=force, volumes=volumes)

    async def unlink(self, name: str) -> None:
        """Takes a link away by its name: "/web/db"."""
        holder = await links.unlink(self._parts, name)
        await self._parts.networks.link(holder.id, links.plan_links(holder.record))
        refresh_hosts(self._parts, holder)

    def link_names(self) -> dict[str, Texts]:
        """By id, what other containers call one through links: "/web/db"."""
        return links.link_names(self._parts)

    async def prune(self, select: Callable[[Container], bool]) -> tuple[Texts, int]:
        """Removes what does not run and is selected: ids, and bytes freed."""
        return await removal.prune(self._parts, select)

    async def top(self, ref: str, ps_args: str = "") -> Table:
        live = self._parts.registry.get(ref)
        table = await stats.top(self._parts, live, ps_args)
        self._parts.tell(live, "top")
        return table

    async def stats(self, ref: str) -> Stats:
        return stats.read_stats(self._parts, self._parts.registry.get(ref))

    async def changes(self, ref: str) -> Changes:
        """What differs from the image."""
        return await self._parts.images.rootfs.changes(self._parts.registry.get(ref).id)

    async def export(self, ref: str) -> AsyncIterator[bytes]:
        """The whole file system as one tar stream."""
        live = self._parts.registry.get(ref)
        await live.torn_down.wait()  # what is mounted still is about to be taken away
        async with mounted_rootfs(self._parts, live.id) as rootfs:
            ids = maps_of(self._parts.paths.bundle(live.id))
            async for chunk in self._parts.images.rootfs.export(live.id, rootfs, ids):
                yield chunk
        self._parts.tell(live, "export")

    async def commit(self, ref: str, request: commit.CommitRequest) -> str:
        """A new image from the container's file system: its id."""
        return await commit.commit(self._parts, self._parts.registry.get(ref), request)

    async def resize(self, ref: str, height: int, width: int) -> None:
        """Conflict unless it runs."""
        live = self._parts.registry.get(ref)
        if live.record.state.status not in ("running", "paused"):
            raise Conflict(f"cannot resize a stopped container: container {live.id} is not running")
        await self._parts.monitor.resize(self._parts.paths.bundle(live.id), height, width)
        self._parts.tell(live, "resize", height=str(height), width=str(width))

    def logs(self, ref: str, query: LogQuery) -> AsyncIterator[LogEntry]:
        return read_log(self._parts, self._parts.registry.get(ref), query)

    def log_details(self, ref: str) -> dict[str, str]:
        """The labels, variables and tag that are shown with each line on request."""
        return log_details(self._parts, self._parts.registry.get(ref))

    async def attach(self, ref: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True) -> Attachment:
        """One more client of the console; before the start it waits for it. Conflict when paused or restarting."""
        live = self._parts.registry.get(ref)
        state = live.record.state
        if state.status == "paused":
            raise Conflict(f"container {live.id} is paused, unpause the container before attach")
        if state.status == "restarting":
            raise Conflict(f"container {live.id} is restarting, wait until the container is running")
        if live.hub is None:
            live.hub = starting.make_hub(self._parts, live)
        streams = frozenset(([1] if stdout else []) + ([2] if stderr else []))
        attachment = live.hub.join(
            stdin=stdin and live.record.spec.stdin_open, streams=streams, running=state.status == "running"
        )
        self._parts.tell(live, "attach")
        return attachment

    async def archive_stat(self, ref: str, path: str) -> archive.PathStat:
        """What lies at `path` inside."""
        live = self._parts.registry.get(ref)
        async with view(self._parts, live, ref) as tree:
            return await asyncio.to_thread(archive.stat, tree, path)

    async def archive_get(self, ref: str, path: str) -> tuple[archive.PathStat, AsyncIterator[bytes]]:
        """The file or directory at `path` as a tar stream."""
        live = self._parts.registry.get(ref)
        async with AsyncExitStack() as stack:
            tree = await stack.enter_async_context(view(self._parts, live, ref))
            found = await asyncio.to_thread(archive.stat, tree, path)
            held = stack.pop_all()
        self._parts.tell(live, "archive-path")
        return found, _closing(held, archive.read(tree, path))

    async def archive_put(
        self,
        ref: str,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        copy_uid_gid: bool = False,
    ) -> None:
        """Unpacks a tar stream in the directory `path`."""
        live = self._parts.registry.get(ref)
        async with view(self._parts, live, ref) as tree:
            await archive.write(tree, path, chunks, no_overwrite_dir_non_dir, copy_uid_gid)
        self._parts.tell(live, "extract-to-dir")

    async def sizes(self, ref: str) -> tuple[int, int]:
        """Bytes that the container wrote, and those together with its image's."""
        record = self._parts.registry.get(ref).record
        written = await self._parts.images.rootfs.size_rw(record.id)
        return written, written + self._parts.images.size_of(record.image_id)


async def _closing(stack: AsyncExitStack, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with stack:
        async for chunk in chunks:
            yield chunk
