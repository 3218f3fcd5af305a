"""Taking over what an earlier daemon left: running containers, exit statuses, half-made things."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil

from msgspec.structs import replace

from corral.engine.adoption import Found, plan_adoption
from corral.engine.bundle import read_seated
from corral.engine.exit import UNKNOWN_EXIT, finish, on_exit
from corral.engine.health import watch_health
from corral.engine.healthplan import is_checked
from corral.engine.logs import watch_log
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remove import discard, forget, volume_users
from corral.engine.restart import plan_boot
from corral.engine.start import make_hub, start_locked
from corral.engine.stop import open_checked
from corral.engine.teardown import clear, teardown
from corral.errors import CorralError
from corral.linux.proc import start_time, wait_exit
from corral.model.container import Health
from corral.runtime.monitor import ProcessState

log = logging.getLogger("corral.engine")


async def adopt_all(parts: Parts) -> None:
    """Called once, before the engine answers anybody. One broken container never keeps the others down."""
    for live in parts.registry:
        try:
            await adopt(parts, live)
        except CorralError as error:
            log.error("container %s could not be taken over: %s", live.name, error.message)
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
    runtime = parts.runtimes.get(record.runtime)
    process: ProcessState = await parts.monitor.process_state(bundle, live.id, runtime) if exists else ""
    return Found(
        ready=record.ready,
        state=record.state,
        process=process,
        exit_code=parts.exits.read(live.id),
        monitor=exists and parts.monitor.alive(bundle),
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
        await forget(parts, live, volumes=False)
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
        status="paused" if state.status == "paused" else "running",
        pid=pid,
        pid_start=start_time(pid),
        monitor_pid=monitor_pid,
        started_at=state.started_at if state.status in ("running", "paused") else parts.clock.now(),
        health=state.health or (Health() if is_checked(record.spec.health) else None),
    )
    live.exited.clear()
    live.hub = make_hub(parts, live)
    if record.spec.stdin_open and record.spec.stdin_once:
        live.hub.connect()
    parts.networks.restore(live.id, record.endpoints, record.ports)
    for point in record.mount_points:
        if point.type == "volume":
            parts.volumes.restore(point.name, live.id)
    watch_log(parts, live)
    await parts.registry.save(record)
    watch_health(parts, live)
    if parts.exits.read(live.id) is None and not parts.monitor.alive(bundle):
        parts.tasks.start(f"unmonitored {live.name}", _watch_unmonitored(parts, live))


async def _watch_unmonitored(parts: Parts, live: Live) -> None:
    """Its monitor was killed: nobody will write the exit status, but the end can still be seen."""
    state = live.record.state
    pidfd = open_checked(state.pid, state.pid_start)
    if pidfd is not None:
        try:
            await wait_exit(pidfd)
        finally:
            os.close(pidfd)
    await on_exit(parts, live.id, UNKNOWN_EXIT)


async def sweep(parts: Parts) -> None:
    """Removes what belongs to no container: the rest of a removal or a start that was cut short."""
    known = {live.id for live in parts.registry}
    for id in _entries(f"{parts.paths.run}/c"):
        if id not in known:
            await clear(parts, id, parts.runtimes.default.name, f"{parts.cgroup_root}/{id}")
    for id in {*_entries(f"{parts.paths.root}/containers"), *parts.images.prepared()} - known:
        await discard(parts, id)
    for mount in _entries(f"{parts.paths.run}/m"):
        parts.images.unmount(f"{parts.paths.run}/m/{mount}")
        await asyncio.to_thread(os.rmdir, f"{parts.paths.run}/m/{mount}")
    for id in parts.exits.known() - known:
        parts.exits.forget(id)
    for id in _entries(f"{parts.paths.run}/e"):
        if parts.monitor.waits(parts.paths.exec(id)):
            await parts.monitor.end(parts.paths.exec(id))
        if not parts.monitor.alive(parts.paths.exec(id)):
            await asyncio.to_thread(shutil.rmtree, parts.paths.exec(id), ignore_errors=True)
    await parts.networks.sweep(known)


def _entries(path: str) -> list[str]:
    return os.listdir(path) if os.path.isdir(path) else []


async def boot(parts: Parts) -> None:
    """Starts what its restart policy wants running, and removes what asked to be removed at its end."""
    for live in parts.registry:
        record = live.record
        if record.state.status in ("exited", "created") and live.restart_timer is None:
            wanted = plan_boot(
                record.spec.restart, record.state.exit_code, record.state.stopped_by_user, record.state.started_at > 0
            )
            if wanted:
                parts.tasks.start(f"boot {live.name}", _boot_one(parts, live))
            elif record.state.status == "exited" and record.spec.auto_remove:
                async with live.lock:
                    await forget(parts, live, volumes=True)


async def _boot_one(parts: Parts, live: Live) -> None:
    async with live.lock:
        if live.removed or live.record.state.running:
            return
        try:
            await start_locked(parts, live)
        except CorralError as error:
            log.error("container %s could not be started again: %s", live.name, error.message)
