"""Processes that the kernel kills for want of memory are told when it happens, and not only at a container's end."""

from __future__ import annotations

import logging

from msgspec.structs import replace

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.errors import CorralError

log = logging.getLogger("corral.engine")


def watch_oom(parts: Parts, live: Live) -> None:
    """The container runs; until `unwatch_oom`. Where its group cannot be watched, all is told at its end."""
    try:
        killed = parts.oom.add(parts.group(live), lambda: _told(parts, live))
    except CorralError as error:
        log.debug("container %s: %s", live.name, error.message)
        return
    if killed and not live.record.state.oom_killed:
        _told(parts, live)  # it was faster


def _told(parts: Parts, live: Live) -> None:
    parts.tell(live, "oom")
    if live.record.spec.resources.oom_kill_disable and not parts.cgroups.oom_kills(parts.group(live)):
        return  # it is held, not killed
    live.record.state = replace(live.record.state, oom_killed=True)
    parts.tasks.start(f"oom of {live.name}", parts.registry.note(live.record))


def unwatch_oom(parts: Parts, live: Live) -> bool:
    """The container has ended: was any of its processes killed? That is told now, unless it was."""
    group = parts.group(live)
    parts.oom.remove(group)
    killed = parts.cgroups.oom_kills(group) > 0
    if killed and not live.record.state.oom_killed:
        parts.tell(live, "oom")
    return killed
