"""Asking running containers whether they are well."""

from __future__ import annotations

import asyncio

from corral.engine.healthplan import (
    KEPT_OUTPUT,
    TIMEOUT,
    is_checked,
    plan_health,
    plan_interval,
    plan_probe,
)
from corral.engine.parts import Parts
from corral.engine.probe import run_captured
from corral.engine.registry import Live
from corral.errors import CorralError, from_oserror
from corral.kit.clock import SECOND
from corral.linux.spawn import OutOfTime
from corral.model.container import Health, HealthCheck, HealthResult


def watch_health(parts: Parts, live: Live) -> None:
    """Starts asking, if the container has a health check. The end of the container ends it."""
    check = live.record.spec.health
    if check is not None and is_checked(check):
        live.health_task = parts.tasks.start(f"health of {live.name}", _watch(parts, live, check))


async def _watch(parts: Parts, live: Live, check: HealthCheck) -> None:
    while True:
        state = live.record.state
        pause = plan_interval(check, state.health or Health(), state.started_at, parts.clock.now())
        await asyncio.sleep(pause / SECOND)
        if live.record.state.status == "running":
            result = await _probe(parts, live, check)
            await _record(parts, live, check, result)


async def _probe(parts: Parts, live: Live, check: HealthCheck) -> HealthResult:
    start, timeout = parts.clock.now(), check.timeout or TIMEOUT
    command = plan_probe(check, live.record.spec.shell)
    try:
        code, output = await run_captured(parts, live, command, timeout / SECOND, KEPT_OUTPUT)
        text = output.decode("utf-8", "replace")
    except OutOfTime as late:
        written = (late.out + late.err)[:KEPT_OUTPUT].decode("utf-8", "replace")
        code, text = -1, plan_timeout(timeout, written)
    except CorralError as error:
        code, text = -1, error.message
    except OSError as error:  # no room for its files: the next one may have it
        code, text = -1, from_oserror("check", error).message
    return HealthResult(start, parts.clock.now(), code, text)


async def _record(parts: Parts, live: Live, check: HealthCheck, result: HealthResult) -> None:
    async with live.lock:
        state = live.record.state
        if state.status != "running":
            return
        before = state.health or Health()
        state.health = plan_health(check, before, result, state.started_at)
        await parts.registry.note(live.record)
    if state.health.status != before.status:
        parts.tell(live, f"health_status: {state.health.status}")


def plan_timeout(timeout: int, written: str) -> str:
    """Pure: what the log says of a probe that took longer than `timeout` nanoseconds.

    >>> plan_timeout(30 * SECOND, ""), plan_timeout(SECOND, "still waiting")
    ('Health check exceeded timeout (30s)', 'Health check exceeded timeout (1s): still waiting')
    """
    said = f"Health check exceeded timeout ({_seconds(timeout)})"
    return f"{said}: {written}" if written else said


def _seconds(nanoseconds: int) -> str:
    """Pure: a short duration as Go prints it.

    >>> _seconds(30 * SECOND), _seconds(SECOND // 2)
    ('30s', '500ms')
    """
    if nanoseconds < SECOND:
        return f"{nanoseconds // 10**6}ms"
    return f"{nanoseconds / SECOND:g}s"
