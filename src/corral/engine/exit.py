"""The end of a container's process: what is recorded, who is told, what is cleaned, whether it comes back."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remove import forget
from corral.engine.restart import plan_delay, plan_restart
from corral.engine.start import start_again
from corral.engine.teardown import release_volumes, schedule_teardown
from corral.engine.wait import tell_exit

UNKNOWN_EXIT = 255  # the monitor was killed, or the machine went down: nobody saw the exit status


async def on_exit(parts: Parts, id: str, code: int) -> None:
    """The monitor reported the exit status of container `id`; it may be reported again after a crash of ours."""
    live = parts.registry.find(id)
    if live is None:
        parts.exits.forget(id)
        return
    async with live.lock:
        if live.record.state.status in ("running", "paused"):
            await finish(parts, live, code)


async def finish(parts: Parts, live: Live, code: int) -> None:
    """The container's lock is held. Records the end, tells it, and leaves the rest to clean-up and restart."""
    record, state = live.record, live.record.state
    now = parts.clock.now()
    ran_for = now - state.started_at
    if live.health_task:
        live.health_task.cancel()
        live.health_task = None
    again = not parts.closing and plan_restart(record.spec.restart, code, state.stopped_by_user, state.restart_count)
    if live.hub:
        await live.hub.ended(restarting=again)
    await parts.networks.detach(live.id)
    await release_volumes(parts, live)  # not later: whoever hears of the end may remove them at once
    record.state = replace(
        state,
        status="restarting" if again else "exited",
        pid=0,
        pid_start=0,
        monitor_pid=0,
        exit_code=code,
        error="",
        finished_at=now,
        oom_killed=parts.cgroups.oom_kills(parts.group(live)) > 0,
        restart_count=state.restart_count + (1 if again else 0),
    )
    endpoints, record.endpoints, record.ports = record.endpoints, {}, []
    gone = record.spec.auto_remove and not again and not live.keep
    if not gone:
        await parts.registry.save(record)
    live.exited.set()
    schedule_teardown(parts, live)
    if record.state.oom_killed:
        parts.tell(live, "oom")
    parts.tell(live, "die", exitCode=str(code), execDuration=str(ran_for // 10**9))
    for endpoint in endpoints.values():
        parts.tell_network(live, "disconnect", endpoint)
    if live.stopping:
        parts.tell(live, "stop")
    if gone:
        await forget(parts, live, volumes=True)
    else:
        tell_exit(live)
    if again:
        live.restart_delay = plan_delay(live.restart_delay, ran_for)
        live.restart_timer = parts.tasks.start(f"restart {live.name}", _restart_later(parts, live, live.restart_delay))


async def _restart_later(parts: Parts, live: Live, delay: int) -> None:
    """Waits out the back-off. A stop, a removal or a start by the user cancels it."""
    await asyncio.sleep(delay / 1e9)
    async with live.lock:
        if live.record.state.status == "restarting" and not live.removed:
            live.restart_timer = None
            await start_again(parts, live)
