"""The end of a container's process: what is recorded, who is told, what is cleaned, whether it comes back."""

from __future__ import annotations

import asyncio
import logging

from msgspec.structs import replace

from corral.engine.healthplan import plan_unasked
from corral.engine.oom import unwatch_oom
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remove import forget
from corral.engine.restart import plan_delay, plan_restart
from corral.engine.start import start_again
from corral.engine.teardown import release_volumes, schedule_teardown
from corral.engine.wait import tell_exit
from corral.errors import CorralError
from corral.kit.clock import TICK

log = logging.getLogger("corral.engine")


async def on_exit(parts: Parts, id: str) -> None:
    """The monitor reported the exit status of container `id`; it may be reported again after a crash of ours."""
    live = parts.registry.find(id)
    if live is None:
        parts.exits.forget(id)
        return
    async with live.lock:
        code = parts.exits.read(id)  # as it is now: while we waited for the lock it may have been dealt with
        if code is not None and live.record.state.status in ("running", "paused"):
            await finish(parts, live, code)


async def finish(parts: Parts, live: Live, code: int) -> None:
    """The container's lock is held. Records the end, tells it, and leaves the rest to clean-up and restart.

    The process has ended, whatever else fails: so what fails here is logged.
    """
    record, state = live.record, live.record.state
    ended = plan_end(parts.clock.now(), state.started_at, parts.exits.when(live.id))
    ran_for = ended - state.started_at
    if live.health_task:
        live.health_task.cancel()
        live.health_task = None
    may_start = parts.opened and not parts.closing
    again = may_start and plan_restart(record.spec.restart, code, state.stopped_by_user, state.restart_count)
    if live.hub:
        await live.hub.ended()
    await _leave_network(parts, live)
    await release_volumes(parts, live)  # not later: whoever hears of the end may remove them at once
    record.state = replace(
        state,
        status="restarting" if again else "exited",
        pid=0,
        pid_start=0,
        monitor_pid=0,
        exit_code=code,
        error="",
        finished_at=ended,
        health=plan_unasked(state.health),
        oom_killed=unwatch_oom(parts, live),
        restart_count=state.restart_count + (1 if again else 0),
    )
    endpoints, record.endpoints, record.ports = record.endpoints, {}, []
    gone = record.spec.auto_remove and not again and not live.kept
    if not gone:
        await parts.registry.note(record)
    live.exited.set()
    schedule_teardown(parts, live)
    parts.tell(live, "die", exitCode=str(code), execDuration=str(ran_for // 10**9))
    for endpoint in endpoints.values():
        parts.tell_network(live, "disconnect", endpoint)
    parts.tell_volumes(live, "unmount")
    if live.stopping:
        parts.tell(live, "stop")
    for hook in parts.on_end:
        hook(live)
    if gone:
        await _remove_itself(parts, live)
    else:
        tell_exit(live)
    if again:
        live.restart_delay = plan_delay(live.restart_delay, ran_for)
        live.restart_timer = parts.tasks.start(f"restart {live.name}", _restart_later(parts, live, live.restart_delay))


def plan_end(now: int, started: int, written: int | None) -> int:
    """Pure: when a process ended: as its monitor wrote it, which may have been long before a daemon learns of it.

    Files' times are those of the kernel's last tick, so a daemon that was there knows better; and the host's clock may
    have been turned: never before its start, never after now.

    >>> ms = 1_000_000
    >>> [plan_end(900 * ms, 50 * ms, written) // ms for written in (70 * ms, 48 * ms, 30 * ms, 895 * ms, 999 * ms)]
    [80, 58, 50, 900, 900]
    >>> plan_end(100, 50, None)
    100
    """
    return now if written is None else max(started, min(now, written + TICK))


async def _leave_network(parts: Parts, live: Live) -> None:
    """Others that share its network namespace keep that alive, with a cable whose address is free from now on."""
    shared = any(
        other.record.spec.network.mode == f"container:{live.id}" and other.record.state.pid for other in parts.registry
    )
    try:
        await parts.networks.detach(live.id, unplug=shared)
    except CorralError as error:
        log.error("container %s: leave the network: %s", live.name, error.message)


async def _remove_itself(parts: Parts, live: Live) -> None:
    try:
        await forget(parts, live, volumes=True)
    except CorralError as error:
        log.error("container %s could not remove itself: %s", live.name, error.message)
        await parts.registry.note(live.record)
        tell_exit(live)


async def _restart_later(parts: Parts, live: Live, delay: int) -> None:
    """Waits out the back-off. A stop, a removal or a start by the user cancels it."""
    await asyncio.sleep(delay / 1e9)
    async with live.lock:
        if live.record.state.status == "restarting" and not live.removed:
            live.restart_timer = None
            await start_again(parts, live)
