"""The limits of a group of containers, written to its cgroup: no runtime does that, for no process is in it."""

from __future__ import annotations

from contextlib import suppress

from corral.errors import HostError
from corral.linux.cgroups import Cgroups
from corral.model.container import Resources

PERIOD = 100_000


def weight_of(shares: int) -> int:
    """Pure: cgroup v2's weight for v1's shares, as OCI runtimes count.

    >>> weight_of(1024), weight_of(2), weight_of(262144)
    (39, 1, 10000)
    """
    return 1 + (shares - 2) * 9999 // 262142


def plan_files(wanted: Resources, v2: bool) -> list[tuple[str, str, str]]:
    """Pure: (controller, file, text) for each limit; what is not limited is set to "no limit".

    >>> plan_files(Resources(cpu_shares=102, memory=4096, nano_cpus=500_000_000), True)
    [('cpu', 'cpu.weight', '4'), ('cpu', 'cpu.max', '50000 100000'), ('memory', 'memory.max', '4096')]
    >>> plan_files(Resources(cpu_shares=2), False)[:2]
    [('cpu', 'cpu.shares', '2'), ('cpu', 'cpu.cfs_quota_us', '-1')]
    """
    quota = wanted.nano_cpus * PERIOD // 10**9
    if v2:
        files = [("cpu", "cpu.weight", str(weight_of(wanted.cpu_shares)))] if wanted.cpu_shares else []
        files.append(("cpu", "cpu.max", f"{quota or 'max'} {PERIOD}"))
        files.append(("memory", "memory.max", str(wanted.memory or "max")))
    else:
        files = [("cpu", "cpu.shares", str(wanted.cpu_shares))] if wanted.cpu_shares else []
        files.append(("cpu", "cpu.cfs_quota_us", str(quota or -1)))
        files.append(("memory", "memory.limit_in_bytes", str(wanted.memory or -1)))
    if wanted.pids_limit:
        files.append(("pids", "pids.max", str(wanted.pids_limit)))
    return files


def limit_group(cgroups: Cgroups, group: str, wanted: Resources) -> None:
    """HostError where a limit that was asked for cannot be set."""
    for controller, file, text in plan_files(wanted, cgroups.layout.v2):
        free = text in ("-1", "max", f"max {PERIOD}")
        with suppress(*([HostError] if free else [])):  # this host does not count it: then it has no limit anyway
            cgroups.write(group, controller, file, text)
