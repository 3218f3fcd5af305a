"""What a container uses: one sample."""

from __future__ import annotations

from corral.model.container import Struct


class BlockIo(Struct):
    major: int
    minor: int
    operation: str  # "read", "write"; of v1, in its spelling, "Read", "Write", "Sync", "Async", "Discard", "Total"
    value: int


class InterfaceStats(Struct):
    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0


class CgroupStats(Struct):
    """CPU in nanoseconds, memory in bytes. `memory_detail` has the kernel's memory.stat, name by name."""

    version: int = 2
    cpu_total: int = 0
    cpu_user: int = 0
    cpu_system: int = 0
    per_cpu: list[int] = []
    throttling_periods: int = 0
    throttled_periods: int = 0
    throttled_time: int = 0
    memory_usage: int = 0
    memory_max_usage: int = 0  # v1 only, as in the API
    memory_limit: int = 0
    memory_fail_count: int = 0
    memory_detail: dict[str, int] = {}
    pids: int = 0
    pids_limit: int = 0  # 0: no limit
    io_bytes: list[BlockIo] = []
    io_operations: list[BlockIo] = []


class Stats(Struct):
    """One sample: `system_cpu` is the host's total CPU time in nanoseconds, `online_cpus` how many it has."""

    read: int
    cgroup: CgroupStats
    system_cpu: int = 0
    online_cpus: int = 1
    interfaces: dict[str, InterfaceStats] = {}
