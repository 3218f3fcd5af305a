"""Changing the limits and the restart policy of a container that exists."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from corral.api.docker.bodies import UpdateConfig
from corral.api.docker.check_host import check_restart
from corral.api.docker.create import unknown_warnings
from corral.api.docker.facts import Facts
from corral.api.docker.gojson import decode
from corral.api.docker.process import restart_of
from corral.api.docker.resources import check_resources
from corral.errors import Conflict, InvalidInput, Unsupported
from corral.model.container import Resources, RestartPolicy

# Which fields may change, and the engine's names for them.
CHANGEABLE = {
    "BlkioWeight": "blkio_weight",
    "CpuShares": "cpu_shares",
    "NanoCpus": "nano_cpus",
    "CpuPeriod": "cpu_period",
    "CpuQuota": "cpu_quota",
    "CpusetCpus": "cpuset_cpus",
    "CpusetMems": "cpuset_mems",
    "Memory": "memory",
    "MemorySwap": "memory_swap",
    "MemoryReservation": "memory_reservation",
    "CpuRealtimePeriod": "cpu_realtime_period",
    "CpuRealtimeRuntime": "cpu_realtime_runtime",
}
# What dockerd leaves as it is though it takes the field. Here it is refused, unless it says nothing.
FIXED = (
    "BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps Devices "
    "DeviceCgroupRules DeviceRequests Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth CgroupParent"
).split()


class Update(Struct):
    """Only what shall change: `fields` by the engine's names; `restart` None keeps the policy."""

    fields: dict[str, Any]
    restart: RestartPolicy | None
    warnings: list[str]


def parse_update(body: bytes, version: tuple[int, int], facts: Facts) -> Update:
    """Pure: a request's body. InvalidInput and Unsupported in dockerd's words.

    >>> update = parse_update(b'{"Memory": 8388608, "PidsLimit": -1}', (1, 51), Facts())
    >>> update.fields, update.restart
    ({'memory': 8388608, 'pids_limit': 0}, None)
    """
    asked, unknown = decode(body, UpdateConfig)
    for field in FIXED:
        if getattr(asked, field):
            raise Unsupported(f"{field} cannot be updated")
    if version < (1, 40):
        asked.PidsLimit = None
    policy = asked.RestartPolicy
    check_restart(policy)
    warnings = check_resources(asked, facts, update=True)
    fields = {mine: value for theirs, mine in CHANGEABLE.items() if (value := getattr(asked, theirs))}
    if asked.PidsLimit is not None:
        fields["pids_limit"] = max(asked.PidsLimit, 0)
    restart = restart_of(policy) if policy and policy.Name else None
    return Update(fields, restart, warnings + unknown_warnings(unknown))


def check_update(now: Resources, fields: dict[str, Any], id: str) -> None:
    """Pure: what does not go together with the limits so far. Conflict in dockerd's words.

    >>> check_update(Resources(nano_cpus=1), {"cpu_quota": 5000}, "f00")
    Traceback (most recent call last):
        ...
    corral.errors.Conflict: Cannot update container f00: Conflicting options: CPU Quota cannot be updated as NanoCPUs \
has already been set
    """
    for field, name, other, set_before in (
        ("nano_cpus", "Nano CPUs", "CPU Period", now.cpu_period),
        ("nano_cpus", "Nano CPUs", "CPU Quota", now.cpu_quota),
        ("cpu_period", "CPU Period", "NanoCPUs", now.nano_cpus),
        ("cpu_quota", "CPU Quota", "NanoCPUs", now.nano_cpus),
    ):
        if fields.get(field, 0) > 0 and set_before > 0:
            what = f"{name} cannot be updated as {other} has already been set"
            raise Conflict(f"Cannot update container {id}: Conflicting options: {what}")
    memory = fields.get("memory", 0)
    if memory and "memory_swap" not in fields and 0 <= now.memory_swap < memory:
        raise Conflict(
            f"Cannot update container {id}: Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time"
        )
    if 0 < fields.get("memory_swap", 0) < (memory or now.memory):
        raise InvalidInput("Minimum memoryswap limit should be larger than memory limit, see usage")
