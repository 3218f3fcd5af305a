"""Changing a container's limits and restart policy, also while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.stop import has_ended
from corral.errors import Conflict, CorralError, HostError
from corral.model.container import Resources, RestartPolicy
from corral.runtime.abilities import Abilities, plan_allowed
from corral.runtime.resources import plan_resources, plan_unlimited


async def update(
    parts: Parts, live: Live, fields: Mapping[str, Any], restart: RestartPolicy | None = None
) -> list[str]:
    """Applies `fields` of `Resources` (by name) and the policy: all of it or nothing. Returns warnings.

    Conflict (being removed, or a policy for one that removes itself), InvalidInput, HostError.
    """
    async with live.lock:
        record = live.record
        if live.removed or record.state.status in ("removing", "dead"):
            raise Conflict(f'Cannot update container {live.id}: container is marked for removal and cannot be "update"')
        if restart is not None and restart.name != "no" and record.spec.auto_remove:
            raise Conflict(
                f"Cannot update container {live.id}: "
                "Restart policy cannot be updated because AutoRemove is enabled for the container"
            )
        fields, warnings = plan_fields(fields, parts.abilities)
        resources = plan_update(record.spec.resources, fields)
        spec = replace(record.spec, resources=resources, restart=restart or record.spec.restart)
        await parts.registry.save(replace(record, spec=spec))  # first: a full disk leaves all as it was
        if fields and record.state.status in ("running", "paused"):
            try:
                await _apply(parts, live, resources)
            except HostError:
                if not has_ended(live):  # else the limits are for the next start
                    await parts.registry.note(record)
                    raise
        record.spec = spec
        parts.tell(live, "update")
    return warnings


def plan_fields(fields: Mapping[str, Any], able: Abilities) -> tuple[dict[str, Any], list[str]]:
    """Pure: the fields that this host can set, and a warning for each other one. InvalidInput.

    >>> plan_fields({"memory": 9, "pids_limit": 5}, Abilities(pids=False))[0]
    {'memory': 9}
    """
    asked = Resources(**fields)
    allowed, warnings = plan_allowed(asked, able)
    return {name: value for name, value in fields.items() if getattr(allowed, name) == value}, warnings


def plan_update(now: Resources, fields: Mapping[str, Any]) -> Resources:
    """Pure: the limits after the change. A CPU count and a CPU quota replace each other. Conflict on a bad mix.

    >>> plan_update(Resources(cpu_quota=5000), {"nano_cpus": 10**9}).cpu_quota
    0
    """
    resources = replace(now, **fields)
    if fields.get("nano_cpus"):
        resources = replace(resources, cpu_quota=0, cpu_period=0)
    elif ("cpu_quota" in fields or "cpu_period" in fields) and now.nano_cpus:
        raise Conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set")
    if 0 < resources.memory_swap < resources.memory:
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )
    return resources


async def _apply(parts: Parts, live: Live, resources: Resources) -> None:
    version = parts.host.cgroup_version
    planned = plan_resources(resources, version, swap=parts.abilities.swap)
    unlimited = plan_unlimited(resources, version)
    for controller, _, _ in unlimited:
        if controller == "pids":
            planned.pop(controller, None)
    try:
        await parts.runtimes.of(live.record.runtime).update(live.id, planned)
        for controller, name, text in unlimited:
            parts.cgroups.write(parts.group(live), controller, name, text)
    except CorralError as error:
        raise HostError(f"Cannot update container {live.id}: {error.message}") from error
