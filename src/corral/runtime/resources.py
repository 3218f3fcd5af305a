"""Resources: what a container may use, in the words of OCI's `linux.resources`.

Values are those of cgroup v1; on v2 the runtime itself turns shares into a weight and memory-plus-swap into swap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from corral.model.container import Resources, ThrottleDevice, WeightDevice
from corral.runtime.devices import device_number

CPU_PERIOD = 100_000  # microseconds: the period that a number of CPUs is given in
_BILLION = 10**9
INT64_MAX = 2**63 - 1  # more a runtime cannot read

Numbers = Callable[[str], tuple[int, int]]


def plan_resources(
    wanted: Resources, cgroup_version: int, numbers: Numbers = device_number, *, swap: bool = True
) -> dict[str, Any]:
    """Pure but for `numbers`, which finds a device's numbers: OCI's linux.resources, only what is limited.

    Also the input of the runtime's update. `cgroup_version` is 1 or 2; `swap` tells whether the
    kernel counts swap at all.

    >>> plan_resources(Resources(nano_cpus=500_000_000, pids_limit=9), 2)
    {'cpu': {'quota': 50000, 'period': 100000}, 'pids': {'limit': 9}}
    >>> plan_resources(Resources(memory=1 << 20), 2)
    {'memory': {'limit': 1048576, 'swap': 2097152}}
    """
    parts = {
        "memory": plan_memory(wanted, cgroup_version, swap=swap),
        "cpu": plan_cpu(wanted, cgroup_version),
        "blockIO": plan_block_io(wanted, numbers),
    }
    found = {name: part for name, part in parts.items() if part}
    if wanted.pids_limit is not None:
        found["pids"] = {"limit": wanted.pids_limit if wanted.pids_limit > 0 else -1}
    if unified := plan_unified(wanted, cgroup_version):
        found["unified"] = unified
    return found


def plan_unified(wanted: Resources, cgroup_version: int) -> dict[str, str]:
    """Pure: OCI's unified: files of a v2 group that OCI has no other word for. Where v1 has the controllers, runc and
    crun refuse a container that has any: "cannot use unified on cgroup v1".

    >>> plan_unified(Resources(oom_group=True), 2), plan_unified(Resources(oom_group=True), 1)
    ({'memory.oom.group': '1'}, {})
    """
    return {"memory.oom.group": "1"} if wanted.oom_group and cgroup_version == 2 else {}


def plan_memory(wanted: Resources, cgroup_version: int, *, swap: bool = True) -> dict[str, Any]:
    """Pure: OCI's memory. `swap` there is memory plus swap; with a memory limit alone it is twice that limit, as far
    as a runtime can read it.

    >>> plan_memory(Resources(memory=100, memory_swap=-1, oom_kill_disable=True), 2)
    {'limit': 100, 'swap': -1}
    >>> plan_memory(Resources(memory=2**62), 2)["swap"] == 2**63 - 1
    True
    """
    found: dict[str, Any] = {}
    if wanted.memory:
        found["limit"] = wanted.memory
    if swap and (wanted.memory or wanted.memory_swap):
        found["swap"] = wanted.memory_swap or (min(2 * wanted.memory, INT64_MAX) if wanted.memory > 0 else -1)
    if wanted.memory_reservation:
        found["reservation"] = wanted.memory_reservation
    if cgroup_version == 1:  # v2 knows none of these
        if wanted.memory_swappiness is not None and wanted.memory_swappiness >= 0:
            found["swappiness"] = wanted.memory_swappiness
        if wanted.kernel_memory_tcp:
            found["kernelTCP"] = wanted.kernel_memory_tcp
        if wanted.oom_kill_disable:
            found["disableOOMKiller"] = True
    return found


def plan_cpu(wanted: Resources, cgroup_version: int) -> dict[str, Any]:
    """Pure: OCI's cpu; a number of CPUs is a quota of a period. A negative quota is none: crun writes it unsigned.

    >>> plan_cpu(Resources(nano_cpus=1_500_000_000, cpu_shares=512, cpuset_cpus="0-1"), 1)
    {'shares': 512, 'quota': 150000, 'period': 100000, 'cpus': '0-1'}
    """
    quota, period = wanted.cpu_quota, wanted.cpu_period
    if wanted.nano_cpus:
        quota, period = wanted.nano_cpus * CPU_PERIOD // _BILLION, CPU_PERIOD
    values: dict[str, Any] = {"shares": wanted.cpu_shares, "quota": max(quota, 0), "period": period}
    if cgroup_version == 1:
        values |= {"realtimeRuntime": wanted.cpu_realtime_runtime, "realtimePeriod": wanted.cpu_realtime_period}
    values |= {"cpus": wanted.cpuset_cpus, "mems": wanted.cpuset_mems}
    return {name: value for name, value in values.items() if value}


def plan_unlimited(wanted: Resources, cgroup_version: int) -> list[tuple[str, str, str]]:
    """Pure: (controller, file, text) for what a running container is to have without a limit from now on.

    crun's update does not know how to take one away.

    >>> plan_unlimited(Resources(cpu_quota=-1, pids_limit=0), 2)
    [('cpu', 'cpu.max', 'max'), ('pids', 'pids.max', 'max')]
    """
    found = []
    if wanted.cpu_quota < 0:
        found.append(("cpu", "cpu.max", "max") if cgroup_version == 2 else ("cpu", "cpu.cfs_quota_us", "-1"))
    if wanted.pids_limit is not None and wanted.pids_limit <= 0:
        found.append(("pids", "pids.max", "max"))
    return found


def plan_block_io(wanted: Resources, numbers: Numbers) -> dict[str, Any]:
    """Pure but for `numbers`: OCI's blockIO.

    >>> plan_block_io(Resources(blkio_read_bps=[ThrottleDevice("/dev/sda", 1024)]), lambda path: (8, 0))
    {'throttleReadBpsDevice': [{'major': 8, 'minor': 0, 'rate': 1024}]}
    """
    found: dict[str, Any] = {"weight": wanted.blkio_weight} if wanted.blkio_weight else {}
    lists: dict[str, Sequence[WeightDevice] | Sequence[ThrottleDevice]] = {
        "weightDevice": wanted.blkio_weight_device,
        "throttleReadBpsDevice": wanted.blkio_read_bps,
        "throttleWriteBpsDevice": wanted.blkio_write_bps,
        "throttleReadIOPSDevice": wanted.blkio_read_iops,
        "throttleWriteIOPSDevice": wanted.blkio_write_iops,
    }
    for name, devices in lists.items():
        entries = []
        for device in devices:
            major, minor = numbers(device.path)
            amount = {"weight": device.weight} if isinstance(device, WeightDevice) else {"rate": device.rate}
            entries.append({"major": major, "minor": minor, **amount})
        if entries:
            found[name] = entries
    return found
