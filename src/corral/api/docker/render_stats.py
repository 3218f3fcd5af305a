"""A sample of what a container uses, as the API shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from corral.kit.clock import to_rfc3339
from corral.model.stats import BlockIo, CgroupStats, InterfaceStats, Stats

Json = dict[str, Any]
UNLIMITED: Final = (1 << 64) - 1
NO_CPU: Final[Json] = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}


def stats_json(name: str, id: str, sample: Stats | None, before: Stats | None, host_memory: int) -> Json:
    """One line of the stream. `before` is the sample that rates are computed against; no sample gives an empty line."""
    used = sample.cgroup if sample else CgroupStats()
    interfaces = sample.interfaces if sample else {}
    return {
        "name": f"/{name}",
        "id": id,
        "read": to_rfc3339(sample.read if sample else 0),
        "preread": to_rfc3339(before.read if before else 0),
        "pids_stats": pids(used) if sample else {},
        "blkio_stats": block_io(used, bool(sample)),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(sample) if sample else NO_CPU,
        "precpu_stats": cpu(before) if before else NO_CPU,
        "memory_stats": memory(used, host_memory) if sample else {},
        **({"networks": {name: interface(counters) for name, counters in interfaces.items()}} if interfaces else {}),
    }


def pids(used: CgroupStats) -> Json:
    """No limit is the largest number with cgroup v2, and absent with v1."""
    limit = used.pids_limit or (UNLIMITED if used.version == 2 else 0)
    return filled({"current": used.pids, "limit": limit})


def filled(fields: Json) -> Json:
    """Without those that are 0.

    >>> filled({"usage": 5, "failcnt": 0})
    {'usage': 5}
    """
    return {name: value for name, value in fields.items() if value}


def cpu(sample: Stats) -> Json:
    used = sample.cgroup
    usage = {
        "total_usage": used.cpu_total,
        "usage_in_kernelmode": used.cpu_system,
        "usage_in_usermode": used.cpu_user,
        **({"percpu_usage": used.per_cpu} if used.per_cpu else {}),
    }
    return {
        "cpu_usage": usage,
        **filled({"system_cpu_usage": sample.system_cpu, "online_cpus": sample.online_cpus}),
        "throttling_data": {
            "periods": used.throttling_periods,
            "throttled_periods": used.throttled_periods,
            "throttled_time": used.throttled_time,
        },
    }


def memory(used: CgroupStats, host_memory: int) -> Json:
    """Without a limit of its own a container may use all of the host's memory."""
    limit = used.memory_limit
    if not limit or (host_memory and limit > host_memory):
        limit = host_memory
    numbers = filled({"usage": used.memory_usage, "max_usage": used.memory_max_usage})
    detail = {"stats": used.memory_detail} if used.memory_detail else {}
    return numbers | detail | filled({"failcnt": used.memory_fail_count, "limit": limit})


def block_io(used: CgroupStats, measured: bool) -> Json:
    """With cgroup v2 only the bytes are told; what is not known is null."""
    v1 = measured and used.version == 1
    return {
        "io_service_bytes_recursive": _entries(used.io_bytes) if v1 or used.io_bytes else None,
        "io_serviced_recursive": _entries(used.io_operations) if v1 else None,
        "io_queue_recursive": [] if v1 else None,
        "io_service_time_recursive": [] if v1 else None,
        "io_wait_time_recursive": [] if v1 else None,
        "io_merged_recursive": [] if v1 else None,
        "io_time_recursive": [] if v1 else None,
        "sectors_recursive": [] if v1 else None,
    }


def _entries(entries: Iterable[BlockIo]) -> list[Json]:
    return [{"major": e.major, "minor": e.minor, "op": e.operation, "value": e.value} for e in entries]


def interface(counters: InterfaceStats) -> Json:
    return {name: getattr(counters, name) for name in counters.__struct_fields__}
