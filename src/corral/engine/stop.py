"""Ending a container's process: with grace, or without."""

from __future__ import annotations

import asyncio
import os
import re
import signal as signals

from msgspec.structs import replace

from corral.engine.healthplan import plan_unasked
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.wait import tell_exit
from corral.errors import Conflict, HostError, InvalidInput, Unchanged
from corral.kit.timeouts import fair_timeout
from corral.linux.proc import alive, open_pidfd, parent, start_time

# Seconds for the kernel to end a process that got SIGKILL, and for its last output to be read.
AFTER_KILL = 30.0
_UNHEARD = 2  # seconds from a stop signal that there is not to the kill


def parse_signal(text: str) -> int:
    """Pure: a signal's number from "SIGTERM", "term", "15", "RTMIN+3". InvalidInput for anything else.

    >>> parse_signal("SIGTERM"), parse_signal("hup"), parse_signal("9"), parse_signal("SIGRTMIN+3")
    (15, 1, 9, 37)

    "SIG42" is none: real-time signals are counted from their first or last.
    """
    name = text.upper().removeprefix("SIG")
    base, _, offset = name.partition("+" if "+" in name else "-")
    if text.isdecimal() and int(text):
        if int(text) > signals.SIGRTMAX:
            raise InvalidInput(f"the linux daemon does not support signal {int(text)}")
        return int(text)
    if base in ("RTMIN", "RTMAX") and (not offset or offset.isdigit()):
        start = 34 if base == "RTMIN" else 64
        number = start + int(offset or 0) * (1 if "+" in name else -1)
        if 34 <= number <= 64:
            return number
    elif f"SIG{name}" in signals.Signals.__members__:
        return int(signals.Signals[f"SIG{name}"])
    raise InvalidInput(f"invalid signal: {text}")


def parse_stop_signal(text: str) -> int:
    """Pure: as `parse_signal`, but any number except 0: one that no process can be sent is noticed at the stop.

    >>> parse_stop_signal("SIGTERM"), parse_stop_signal("99"), parse_stop_signal("-1")
    (15, 99, -1)
    """
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text) and int(text):
        return int(text)
    return parse_signal(text)


async def stop(
    parts: Parts, live: Live, timeout: int | None = None, signal: str = "", *, remember: bool = True
) -> None:
    """Sends the stop signal, waits `timeout` seconds (negative: for ever), then kills.

    Unchanged when nothing runs. None takes the container's own timeout, then the engine's. What is to come back
    with the daemon is stopped without `remember`: its restart policy does not learn of it. A signal that there is not
    is not sent, and the container killed soon.
    """
    spec = live.record.spec
    async with live.lock:
        if await _end_waiting_restart(parts, live, remember):
            parts.tell(live, "stop")
            return
        if not live.record.state.running:
            raise Unchanged(f"container {live.id} is not running")
        number = parse_stop_signal(signal or spec.stop_signal or "SIGTERM")
        sendable = 0 < number <= signals.SIGRTMAX
        run = live.record.state.started_at
        live.record.state.stopped_by_user = remember
        live.stopping += 1
        try:
            await parts.registry.note(live.record)
            if sendable:
                send(live, number)
                parts.tell(live, "kill", signal=str(number))
            if live.record.state.status == "paused":
                await resume(parts, live)
        except BaseException:
            live.stopping -= 1
            raise
    if not sendable:
        timeout = _UNHEARD
    elif timeout is None:
        timeout = spec.stop_timeout if spec.stop_timeout is not None else parts.config.stop_timeout
    try:
        await _ended(parts, live, run, None if timeout < 0 else float(timeout))
    finally:
        live.stopping -= 1


async def _end_waiting_restart(parts: Parts, live: Live, remember: bool = True) -> bool:
    """A container between two restarts has no process: it just does not come back."""
    if live.record.state.status != "restarting":
        return False
    live.cancel_restart()
    live.record.state = replace(live.record.state, status="exited", stopped_by_user=remember)
    await parts.registry.note(live.record)
    live.exited.set()
    tell_exit(live)
    return True


async def _ended(parts: Parts, live: Live, run: int, timeout: float | None) -> None:
    """`run`: when the process that is to end was started; a later one is none of our business."""
    try:
        async with fair_timeout(timeout):
            await live.exited.wait()
        return
    except TimeoutError:
        async with live.lock:
            if live.record.state.started_at != run or not live.record.state.running:
                return
            await kill_hard(parts, live)
    await _killed(live, "stop")


async def _killed(live: Live, verb: str) -> None:
    try:
        async with asyncio.timeout(AFTER_KILL):
            await live.exited.wait()
    except TimeoutError:
        raise HostError(
            f"cannot {verb} container: {live.id}: tried to kill container, but did not receive an exit event"
        ) from None


async def kill_hard(parts: Parts, live: Live) -> None:
    """SIGKILL to every process of the container: one that shares its pid namespace leaves others behind."""
    send(live, signals.SIGKILL)
    _wake_monitor(live)
    parts.tell(live, "kill", signal=str(int(signals.SIGKILL)))
    if live.record.spec.namespaces.pid:
        parts.cgroups.kill(parts.group(live))
    if live.record.state.status == "paused":
        await resume(parts, live)


async def kill(parts: Parts, live: Live, signal: str = "SIGKILL") -> None:
    """Sends a signal to the first process. After SIGKILL, returns when the container has ended. Between two restarts
    there is no process: a signal that is to end it means that it does not come back.

    Conflict when it does not run; InvalidInput for an unknown signal.
    """
    number = parse_signal(signal or "SIGKILL")
    ends = number in (signals.SIGKILL, parse_stop_signal(live.record.spec.stop_signal or "SIGTERM"))
    async with live.lock:
        if ends and await _end_waiting_restart(parts, live):
            return
        if not live.record.state.running or live.record.state.status == "restarting":
            raise Conflict(f"cannot kill container: {live.name}: container {live.id} is not running")
        if ends:
            live.record.state.stopped_by_user = True
            await parts.registry.note(live.record)
        if number == signals.SIGKILL:
            await kill_hard(parts, live)
        else:
            send(live, number)
            parts.tell(live, "kill", signal=str(number))
    if number == signals.SIGKILL:
        await _killed(live, "kill")


def send(live: Live, number: int) -> None:
    """A signal to the first process, unless it is gone. The pid was checked by its start time when adopted."""
    state = live.record.state
    pidfd = open_checked(state.pid, state.pid_start)
    if pidfd is None:
        return
    try:
        signals.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)


def _wake_monitor(live: Live) -> None:
    """A monitor that somebody has stopped would not notice the end, and nobody else can: it is the parent."""
    state = live.record.state
    monitor = open_pidfd(state.monitor_pid) if state.monitor_pid else None
    if monitor is None:
        return
    try:
        if parent(state.pid) == state.monitor_pid:
            signals.pidfd_send_signal(monitor, signals.SIGCONT)
    except ProcessLookupError:
        return
    finally:
        os.close(monitor)


def has_ended(live: Live) -> bool:
    """Whether the first process is gone, recorded or not yet."""
    pidfd = open_checked(live.record.state.pid, live.record.state.pid_start)
    if pidfd is None:
        return True
    os.close(pidfd)
    return not alive(live.record.state.pid, live.record.state.pid_start)


def open_checked(pid: int, start: int) -> int | None:
    """A pidfd of exactly that process; None if it is gone, or the pid is another's by now."""
    pidfd = open_pidfd(pid) if pid else None
    if pidfd is not None and start_time(pid) != start:
        os.close(pidfd)
        return None
    return pidfd


async def pause(parts: Parts, live: Live) -> None:
    """Freezes every process. Conflict unless the container runs and is not paused."""
    async with live.lock:
        status = live.record.state.status
        if status == "paused":
            raise Conflict(f"Container {live.id} is already paused")
        if status == "restarting":
            raise Conflict(f"Container {live.id} is restarting, wait until the container is running")
        if status != "running":
            raise Conflict(f"Container {live.id} is not running")
        parts.cgroups.freeze(parts.group(live))
        live.record.state.status = "paused"
        live.record.state.health = plan_unasked(live.record.state.health)
        await parts.registry.note(live.record)
        parts.tell(live, "pause")


async def unpause(parts: Parts, live: Live) -> None:
    """Thaws. Conflict unless the container is paused."""
    async with live.lock:
        if live.record.state.status != "paused":
            raise Conflict(f"Container {live.id} is not paused")
        await resume(parts, live)


async def resume(parts: Parts, live: Live) -> None:
    """The lock is held and the container is paused."""
    parts.cgroups.thaw(parts.group(live))
    live.record.state.status = "running"
    await parts.registry.note(live.record)
    parts.tell(live, "unpause")
