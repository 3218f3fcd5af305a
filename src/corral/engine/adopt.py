"""Taking over what an earlier daemon left: running containers, exit statuses, half-made things."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from contextlib import suppress
from typing import Literal

from msgspec.structs import replace

from corral.engine.adoption import Found, plan_adoption
from corral.engine.bundle import plan_published, read_group, read_seated, write_files
from corral.engine.exit import finish
from corral.engine.health import watch_health
from corral.engine.healthplan import is_checked
from corral.engine.links import plan_links
from corral.engine.logs import watch_log
from corral.engine.monitoring import UNKNOWN_EXIT, watch_monitor
from corral.engine.named import place_without_ipv6
from corral.engine.networking import network_of
from corral.engine.oom import watch_oom
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remove import forget, volume_users
from corral.engine.resolving import plan_resolving
from corral.engine.restart import plan_boot
from corral.engine.start import make_hub, start_locked
from corral.engine.teardown import clear, discard, teardown
from corral.errors import CorralError, HostError
from corral.linux.mounts import mounts_under, unmount
from corral.linux.namespaces import netns_of
from corral.linux.proc import open_pidfd, start_time, wait_exit
from corral.model.container import Container, EndpointSpec, Health
from corral.runtime.monitor import ProcessState

log = logging.getLogger("corral.engine")


AT_ONCE = 8  # containers that are looked at together; each may take a run of its runtime


async def adopt_all(parts: Parts) -> None:
    """Called once, before the engine answers anybody. One broken container never keeps the others down."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(live: Live) -> None:
        async with turns:
            try:
                await adopt(parts, live)
            except (CorralError, OSError) as error:
                log.error("container %s could not be taken over: %s", live.name, error)

    await asyncio.gather(*(one(live) for live in parts.registry))
    for live in parts.registry:  # now that all addresses that are taken are known to be
        if live.unplugged:
            await _plug_in(parts, live)
    await sweep(parts)


async def adopt(parts: Parts, live: Live) -> None:
    found = await look(parts, live)
    action = plan_adoption(found)
    if action == "discard":
        await _discard_half_made(parts, live)
    elif action == "adopt":
        await _watch_again(parts, live)
    elif action == "ended":
        code = UNKNOWN_EXIT if found.exit_code is None else found.exit_code
        async with live.lock:
            if live.record.state.started_at == 0:
                live.record.state.started_at = made_at(parts.paths.bundle(live.id))
            await finish(parts, live, code)
    elif action == "sweep":
        await teardown(parts, live)


async def look(parts: Parts, live: Live) -> Found:
    """What the host shows of the container."""
    record, bundle = live.record, parts.paths.bundle(live.id)
    exists = os.path.isdir(bundle)
    runtime = parts.runtimes.of(record.runtime)
    process: ProcessState = await parts.monitor.process_state(bundle, live.id, runtime) if exists else ""
    code = parts.exits.read(live.id)
    return Found(
        ready=record.ready,
        state=record.state,
        process=process,
        exit_code=code,
        ran=code is None or not runtime.never_ran(live.id, code),
        monitor=exists and parts.monitor.alive(bundle) and not parts.monitor.waits(bundle),
        bundle=exists,
        fresh=exists and made_at(bundle) > record.state.finished_at,
    )


def made_at(bundle: str) -> int:
    """When a bundle was written, in nanoseconds; 0 for one that did not come to that."""
    try:
        return os.stat(f"{bundle}/config.json").st_mtime_ns
    except FileNotFoundError:
        return 0


async def _discard_half_made(parts: Parts, live: Live) -> None:
    await teardown(parts, live)
    if live.record.ready:
        await forget(parts, live, volumes=True)  # only such a removal is recorded before it is done
        return
    await parts.registry.delete(live)
    for point in live.record.mount_points:
        if point.anonymous and parts.volumes.exists(point.name) and not volume_users(parts, point.name):
            await parts.volumes.remove(point.name, force=True)
    await discard(parts, live.id)


async def _watch_again(parts: Parts, live: Live) -> None:
    record, bundle = live.record, parts.paths.bundle(live.id)
    if record.state.status not in ("running", "paused"):
        seated = read_seated(bundle)
        record.endpoints, record.ports = seated.endpoints, seated.ports
    pid, monitor_pid = parts.monitor.pids(bundle)
    state = record.state
    record.state = replace(
        state,
        status=_frozen_as(parts, live),
        pid=pid,
        pid_start=start_time(pid),
        monitor_pid=monitor_pid,
        started_at=state.started_at if state.status in ("running", "paused") else parts.clock.now(),
        health=state.health or (Health() if is_checked(record.spec.health) else None),
    )
    live.exited.clear()
    live.hub = make_hub(parts, live)
    if record.spec.stdin_open and record.spec.stdin_once:
        with suppress(HostError):  # its monitor was killed
            live.hub.connect()
    await _take_network_back(parts, live)
    for point in record.mount_points:
        if point.type == "volume":
            parts.volumes.restore(point.name, live.id)
    watch_log(parts, live)
    await parts.registry.note(record)
    watch_health(parts, live)
    watch_monitor(parts, live)
    watch_oom(parts, live)


async def _take_network_back(parts: Parts, live: Live) -> None:
    record = live.record
    if not (record.endpoints or record.spec.network.left):
        return
    try:
        netns = netns_of(record.state.pid)
    except HostError as error:  # it has ended since we looked, which its monitor tells
        log.warning("container %s: its network could not be taken over: %s", record.name, error.message)
        return
    try:
        left = await parts.networks.restore(
            live.id,
            record.endpoints,
            record.ports,
            name=record.name,
            hostname=record.spec.hostname,
            asked=plan_published(record),
            netns=netns,
            resolving=plan_resolving(record.spec.network, parts.config),
            links=plan_links(record),
        )
    finally:
        os.close(netns)
    for name in left:
        del record.endpoints[name]
    live.unplugged = left


async def _plug_in(parts: Parts, live: Live) -> None:
    """A daemon was killed while the container left a network, and nobody was told that it had: it is in it again, as
    its specification says."""
    record, names = live.record, live.unplugged
    live.unplugged = []
    for name in names:
        how = place_without_ipv6(record.spec.network.endpoints.get(name, EndpointSpec()), record.spec.sysctls)
        try:
            with network_of(record) as netns:
                record.endpoints, record.ports = await parts.networks.connect(live.id, netns, name, how)
            write_files(parts, live)
        except (CorralError, OSError) as error:
            log.warning("container %s is no longer in network %s: %s", live.name, name, error)
    await parts.registry.note(record)


def _frozen_as(parts: Parts, live: Live) -> Literal["paused", "running"]:
    """The status that fits what the kernel does. One that was frozen for a moment only, as a commit does, and whose
    daemon was killed then, is thawed."""
    group = parts.group(live)
    if not parts.cgroups.frozen(group):
        return "running"
    if live.record.state.status != "paused":
        parts.cgroups.thaw(group)
        return "running"
    return "paused"


async def sweep(parts: Parts) -> None:
    """Removes what belongs to no container: the rest of a removal or a start that was cut short."""
    known = {live.id for live in parts.registry}
    for id in set(_entries(f"{parts.paths.run}/c")) - known:
        await _sweep_bundle(parts, id)
    prepared = {made.partition("-")[0] for made in parts.images.rootfs.ids()}
    for id in {*_entries(f"{parts.paths.root}/containers"), *prepared} - known:
        await discard(parts, id)
    for mount in _entries(f"{parts.paths.run}/m"):
        parts.images.rootfs.unmount(f"{parts.paths.run}/m/{mount}")
        with suppress(OSError):  # what is still there is in nobody's way
            await asyncio.to_thread(os.rmdir, f"{parts.paths.run}/m/{mount}")
    for id in parts.exits.known() - known:
        parts.exits.forget(id)
    for id in _entries(f"{parts.paths.run}/e"):
        parts.tasks.start(f"exec {id[:12]}", _sweep_exec(parts, parts.paths.exec(id)))
    for mount in mounts_under(f"{parts.paths.run}/runtime"):
        if os.path.basename(mount).startswith("runc."):  # killed while it had its own program mounted there
            unmount(mount, lazy=True)
    await parts.networks.sweep({*known, *parts.spaces})


async def _sweep_bundle(parts: Parts, id: str) -> None:
    """Of a container without a record only its bundle knows its group, and nobody knows its runtime."""
    group = read_group(parts.paths.bundle(id)) or f"{parts.cgroup_root}/{id}"
    made_by = [name for name in parts.runtimes.versions() if id in parts.runtimes.get(name).known()]
    try:
        await clear(parts, id, made_by[0] if made_by else "", group)
    except OSError as error:
        log.error("%s stays: %s", parts.paths.bundle(id), error)


async def _sweep_exec(parts: Parts, directory: str) -> None:
    """An exec session of the last daemon: nobody can ask for it, but it may still run.

    What was half made is ended. In a frozen cgroup of v1 that takes until its container goes on.
    """
    try:
        if parts.monitor.waits(directory):
            await parts.monitor.end(directory)
    except CorralError as error:
        log.warning("exec %s of the last daemon: %s", os.path.basename(directory)[:12], error.message)
    _, monitor = parts.monitor.pids(directory)
    pidfd = open_pidfd(monitor) if parts.monitor.alive(directory) else None
    if pidfd is not None:
        try:
            await wait_exit(pidfd)
        finally:
            os.close(pidfd)
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _entries(path: str) -> list[str]:
    return os.listdir(path) if os.path.isdir(path) else []


async def boot(parts: Parts) -> None:
    """Starts what its restart policy wants running, and removes what asked to be removed at its end.

    A container that uses another's namespaces is started after that one.
    """
    turns, begun = asyncio.Semaphore(AT_ONCE), dict[str, asyncio.Task[None]]()
    for live in sorted(parts.registry, key=lambda live: live.record.created):
        record = live.record
        if wants_boot(record):
            donors = [begun[id] for id in donors_of(record) if id in begun]  # they were made before it
            begun[live.id] = parts.tasks.start(f"boot {live.name}", _boot_one(parts, live, donors, turns))
        elif record.state.status == "exited" and record.spec.auto_remove:
            async with live.lock:
                await _forget_at_boot(parts, live)


def wants_boot(record: Container) -> bool:
    """Pure: whether it comes up with the daemon. One that waited for its next start does."""
    state = record.state
    if state.status == "restarting":
        return True
    return state.status in ("exited", "created") and plan_boot(
        record.spec.restart, state.exit_code, state.stopped_by_user, state.started_at > 0
    )


def donors_of(record: Container) -> list[str]:
    """Pure: the ids of the containers whose namespaces it uses."""
    modes = (record.spec.network.mode, record.spec.namespaces.pid, record.spec.namespaces.ipc)
    return [mode.removeprefix("container:") for mode in modes if mode.startswith("container:")]


async def _boot_one(parts: Parts, live: Live, donors: list[asyncio.Task[None]], turns: asyncio.Semaphore) -> None:
    state = live.record.state
    await asyncio.gather(*donors, return_exceptions=True)
    async with turns, live.lock:
        if live.removed or live.record.state is not state:
            return  # somebody was quicker
        try:
            await start_locked(parts, live)
        except CorralError as error:
            log.error("container %s could not be started again: %s", live.name, error.message)


async def _forget_at_boot(parts: Parts, live: Live) -> None:
    try:
        await forget(parts, live, volumes=True)
    except CorralError as error:
        log.error("container %s could not be removed: %s", live.name, error.message)
