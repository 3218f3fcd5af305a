"""Starting a container: its file system, its network, its files, its runtime bundle, its monitor, and off it goes.

Every step that changes the machine pushes its undo. A daemon that is killed between two steps leaves a bundle
directory behind, by which the next one finds and finishes or removes the rest (`adopt.py`).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial

from msgspec.structs import replace

from corral.engine.bundle import plan_published, tell_linked, write_config, write_files
from corral.engine.health import watch_health
from corral.engine.healthplan import is_checked
from corral.engine.hub import Hub
from corral.engine.image_mounts import mount_images
from corral.engine.links import plan_links
from corral.engine.logs import said_since, watch_log
from corral.engine.monitoring import watch_monitor
from corral.engine.mounts import ensure_bind_source, plan_file_label, plan_pinned, require_propagation
from corral.engine.named import is_named, plan_joined, with_links, without_ipv6
from corral.engine.namespaces import BORROWED, settle_network
from corral.engine.oom import watch_oom
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remap import remember_maps
from corral.engine.remove import forget
from corral.engine.resolving import plan_resolving
from corral.engine.space_users import show_mapped
from corral.engine.spaces import space_id
from corral.engine.teardown import PIN, teardown
from corral.engine.userns import remap_of
from corral.engine.wait import tell_exit
from corral.errors import Conflict, CorralError, HostError, RuntimeFailed, Unchanged, Unsupported, from_oserror
from corral.kit.apart import apart
from corral.linux.namespaces import netns_of, new_netns
from corral.linux.private import make_private
from corral.linux.proc import start_time
from corral.linux.selinux import relabel
from corral.model.container import Health, MountPoint, State
from corral.runtime.monitor import MonitorRequest, Started
from corral.volumes.attach import pin, unpin

log = logging.getLogger("corral.engine")


async def start(parts: Parts, live: Live) -> None:
    """Starts a container that does not run.

    Unchanged when it runs; Conflict when paused or being removed; RuntimeFailed (with the exit code that a shell
    would report) and HostError when the host refuses: then the container keeps the error and its exit code.
    """
    await parts.afterwork.room()
    async with live.lock:
        state = live.record.state
        if live.removed or state.status in ("removing", "dead"):
            raise Conflict("container is marked for removal and cannot be started")
        if state.status == "paused":
            raise Conflict("cannot start a paused container, try unpause instead")
        if state.status == "running":
            raise Unchanged(f"container {live.id} is running")
        live.cancel_restart()
        live.restart_delay = 0
        live.record.state = replace(state, status="created" if state.status == "created" else "exited", restart_count=0)
        await start_locked(parts, live)


async def start_again(parts: Parts, live: Live) -> None:
    """The restart policy's start, with the lock held: a failure is recorded and told, not raised."""
    try:
        await start_locked(parts, live)
    except CorralError:
        parts.tell(live, "die", exitCode=str(live.record.state.exit_code))


async def start_locked(parts: Parts, live: Live) -> None:
    await live.torn_down.wait()
    before = live.record.state
    try:
        live.record.spec = settle_network(parts.registry, live.record)
        async with AsyncExitStack() as undo:
            started, begun = await _run(parts, live, undo)
            live.record.state = _running(live, started, begun)
            live.exited.clear()
            await parts.registry.save(live.record)
            undo.pop_all()
    except Exception as error:  # whatever it is, who waits for the container must hear of it
        live.record.state = before
        failure = _in_words(live, error)
        await _failed(parts, live, failure)
        raise failure from error
    except asyncio.CancelledError:  # as if it had not been asked for
        live.record.state, live.record.endpoints, live.record.ports = before, {}, []
        live.exited.set()
        raise
    if live.hub and live.hub.busy:
        with suppress(HostError):  # it has ended already
            live.hub.connect()  # for who has attached in the last moments
    parts.tell(live, "start")
    watch_health(parts, live)
    watch_monitor(parts, live)
    watch_oom(parts, live)


def _in_words(live: Live, error: Exception) -> CorralError:
    if isinstance(error, CorralError):
        return error
    if isinstance(error, OSError):
        return from_oserror(f"start container {live.name}", error)
    log.error("start container %s", live.name, exc_info=error)
    return HostError(f"start container {live.name}: {error!r}")


def _running(live: Live, started: Started, begun: int) -> State:
    before = live.record.state
    return State(
        status="running",
        pid=started.pid,
        pid_start=start_time(started.pid),
        monitor_pid=started.monitor_pid,
        started_at=begun,
        finished_at=before.finished_at,
        restart_count=before.restart_count,
        health=Health() if is_checked(live.record.spec.health) else None,
    )


async def _failed(parts: Parts, live: Live, error: CorralError) -> None:
    code = error.exit_code if isinstance(error, RuntimeFailed) else 128
    status = "created" if live.record.state.started_at == 0 else "exited"
    live.record.state = replace(
        live.record.state, status=status, exit_code=code, error=error.message, pid=0, finished_at=parts.clock.now()
    )
    endpoints, live.record.endpoints, live.record.ports = live.record.endpoints, {}, []
    live.exited.set()
    await parts.registry.note(live.record)
    for endpoint in endpoints.values():
        parts.tell_network(live, "disconnect", endpoint)
    if live.sources:
        parts.tell_volumes(live, "unmount")
    if live.hub:
        await live.hub.ended()
    if live.record.spec.auto_remove:
        await forget(parts, live, volumes=True)
    else:
        tell_exit(live, refused=True)


async def _run(parts: Parts, live: Live, undo: AsyncExitStack) -> tuple[Started, int]:
    """Its process, and when that began: read before the runtime is told, for it may have ended when that answers."""
    id = live.id
    runtime = parts.runtimes.get(live.record.runtime)
    async with AsyncExitStack() as held:
        parts.exits.forget(id)
        remap = remap_of(parts, live.record.spec)
        make_private(parts.paths.bundle(id), None if remap is None else remap.maps.root[1])
        os.makedirs(parts.paths.rootfs(id), exist_ok=True)
        undo.push_async_callback(teardown, parts, live)
        # It starts up while the bundle is made ready.
        waiting = parts.monitor.prepare(_request(parts, live, remapped=remap is not None))
        undo.push_async_callback(waiting.abandon)
        _mount(parts, live)
        await _acquire_volumes(parts, live, held)
        mount_images(parts, live, held)
        mapped = remap_of(parts, live.record.spec) is not None
        netns = None if mapped or not _own_network(live) else _netns(held)
        new_rules = write_config(parts, live, None if netns is None else f"/proc/{os.getpid()}/fd/{netns}")
        creating = asyncio.create_task(parts.monitor.create(waiting))
        try:  # the network is attached while the runtime makes the process
            if mapped and _own_network(live):  # made by the runtime, so that it is the user namespace's own
                netns = netns_of((await asyncio.shield(creating)).pid)
                held.callback(os.close, netns)
            await _attach(parts, live, netns, undo)
            parts.tell_volumes(live, "mount")
            write_files(parts, live)
            tell_linked(parts, live)
        finally:
            started = await creating
        if new_rules is not None:
            parts.filters.learn(new_rules, f"{runtime.root}/{id}")
        live.hub = live.hub or make_hub(parts, live)
        if live.hub.busy:
            live.hub.connect(starting_at=parts.clock.now())
        watch_log(parts, live)
        begun = parts.clock.now()
        await runtime.start(id, started.pid)
    return started, begun


def _mount(parts: Parts, live: Live) -> None:
    rootfs, ephemeral = parts.paths.rootfs(live.id), live.record.spec.auto_remove or live.record.hidden
    remap = remap_of(parts, live.record.spec)
    if remap is None:
        parts.images.rootfs.mount(live.id, rootfs, ephemeral=ephemeral)
        return
    remember_maps(parts.paths.bundle(live.id), remap.maps)
    parts.images.rootfs.mount(live.id, rootfs, ephemeral=ephemeral, seen=remap.seen, owner=remap.maps.root)


async def _acquire_volumes(parts: Parts, live: Live, held: AsyncExitStack) -> None:
    """Makes the volumes' data available, and notes where they are. Parts of volumes are pinned until it runs."""
    live.sources = {}
    remap = remap_of(parts, live.record.spec)
    if binds := [point.source for point in live.record.mount_points if point.type == "bind"]:
        await apart(partial(_touch, binds))  # one of a server that is away holds up this start, not the daemon
    for n, point in enumerate(live.record.mount_points):
        if point.type == "volume":
            path = await parts.volumes.acquire(point.name, live.id)
            plain = remap is None or parts.volumes.get(point.name).options  # these are mounts of something else
            path = path if plain or remap is None else remap.seen(path)
            if point.spec is not None and point.spec.subpath:
                whole, path = path, f"{parts.paths.bundle(live.id)}/{PIN}{n}"
                held.callback(unpin, path)
                pin(whole, point.spec.subpath, path)
            live.sources[point.target] = path
        else:
            ensure_bind_source(point, None if remap is None else remap.maps.root)
            require_propagation(point)
            path = point.source
            if point.type == "bind" and point.spec is not None and plan_pinned(point, os.path.isdir(path)):
                whole, path = path, f"{parts.paths.bundle(live.id)}/{PIN}{n}"
                held.callback(unpin, path)
                pin(whole, point.spec.subpath or ".", path, recursive=not point.spec.non_recursive)
                live.sources[point.target] = path
        if remap is not None and remap.each and point.type in ("bind", "volume"):
            path = live.sources[point.target] = _mapped(parts, live, n, point, path, held)
        if label := plan_file_label(point, live.record.spec.security, live.id, selinux=parts.limits.selinux):
            await asyncio.to_thread(relabel, path, label)


def _touch(paths: Sequence[str]) -> None:
    for path in paths:
        os.path.exists(path)


def _mapped(parts: Parts, live: Live, n: int, point: MountPoint, path: str, held: AsyncExitStack) -> str:
    """Where what is mounted has the ids that the container's users know. Unsupported, HostError."""
    check_mapped(point)
    place = f"{parts.paths.bundle(live.id)}/{PIN}mapped{n}"
    held.callback(unpin, place)
    show_mapped(parts, space_id(live.record.spec.namespaces.user), path, place)
    return place


def check_mapped(point: MountPoint) -> None:
    """Pure. Unsupported for a propagation that was asked for; what we chose ourselves (`plan_propagation`) is no wish.

    >>> from corral.model.container import Mount
    >>> ours = MountPoint("bind", "/s", "/t", propagation="rslave", spec=Mount("bind", "/t", "/s"))
    >>> check_mapped(ours)
    >>> check_mapped(replace(ours, spec=Mount("bind", "/t", "/s", propagation="rslave")))
    Traceback (most recent call last):
    corral.errors.Unsupported: /t: mount propagation rslave is not offered with users of its own
    """
    asked = point.spec.propagation if point.spec is not None else ""
    if asked not in ("", "private", "rprivate"):
        raise Unsupported(f"{point.target}: mount propagation {asked} is not offered with users of its own")


def _own_network(live: Live) -> bool:
    """Whether it has a network namespace of its own: not the host's or another container's."""
    mode = live.record.spec.network.mode
    return mode != "host" and not mode.startswith(BORROWED)


def _netns(held: AsyncExitStack) -> int:
    """A new network namespace. The descriptor is held until the container has started, which then keeps it."""
    netns = new_netns()
    held.callback(os.close, netns)
    return netns


async def _attach(parts: Parts, live: Live, netns: int | None, undo: AsyncExitStack) -> None:
    record, network = live.record, live.record.spec.network
    if netns is None or network.disabled:
        return
    wanted = plan_joined(parts.networks.info() if is_named(network) else (), network)
    nowhere = wanted.mode == "none" and not wanted.endpoints
    if nowhere and not network.left:
        return
    undo.push_async_callback(parts.networks.detach, live.id)
    if nowhere:  # it has left them all, and may join others
        await seat_nowhere(parts, live)
        return
    record.endpoints, record.ports = await parts.networks.attach(
        live.id,
        netns,
        without_ipv6(with_links(wanted, network.links), record.spec.sysctls),
        ports=plan_published(record),
        hostname=record.spec.hostname,
        name=record.name,
        resolving=plan_resolving(network, parts.config),
        links=plan_links(record),
    )
    for endpoint in record.endpoints.values():
        parts.tell_network(live, "connect", endpoint)


async def seat_nowhere(parts: Parts, live: Live) -> None:
    """A container that runs is in no network, and may join one."""
    record = live.record
    record.endpoints, record.ports = {}, []
    await parts.networks.restore(
        live.id,
        {},
        [],
        name=record.name,
        hostname=record.spec.hostname,
        asked=plan_published(record),
        resolving=plan_resolving(record.spec.network, parts.config),
        links=plan_links(record),
    )


def _request(parts: Parts, live: Live, *, remapped: bool) -> MonitorRequest:
    spec = live.record.spec
    return MonitorRequest(
        id=live.id,
        bundle=parts.paths.bundle(live.id),
        runtime=parts.runtimes.get(live.record.runtime),
        exits=parts.paths.exits,
        log=None if spec.log.driver == "none" else parts.paths.log(live.id),
        tty=spec.tty,
        stdin=spec.stdin_open,
        leave_stdin_open=not spec.stdin_once,
        remapped=remapped,
        cgroup_procs=parts.monitor_procs,
    )


def make_hub(parts: Parts, live: Live) -> Hub:
    spec = live.record.spec
    bundle = parts.paths.bundle(live.id)
    return Hub(
        lambda: parts.monitor.attach(bundle),
        tty=spec.tty,
        stdin_once=spec.stdin_once,
        keep=spec.stdin_open and spec.stdin_once,
        logged=None if spec.log.driver == "none" else lambda since: said_since(parts, live, since),
    )
