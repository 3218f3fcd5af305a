"""Abilities: which limits this kernel and its cgroups can set, and what becomes of the others.

A limit that cannot be set is dropped with a warning in the words that Docker's users know; one whose loss would
break a promise (real-time scheduling, a number of CPUs) is refused.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass

from msgspec.structs import replace

from corral.errors import InvalidInput
from corral.linux.cgroup_layout import Layout
from corral.model.container import Resources


@dataclass(frozen=True)
class Abilities:
    """What can be limited; `cpus` and `mems` are the numbers that a cpuset may name."""

    memory: bool = True
    swap: bool = True
    reservation: bool = True
    swappiness: bool = True
    oom_kill_disable: bool = True
    oom_group: bool = True
    kernel_memory_tcp: bool = True
    cpu_shares: bool = True
    cpu_cfs: bool = True
    cpu_realtime: bool = True
    cpuset: bool = True
    pids: bool = True
    blkio_weight: bool = True
    blkio_weight_device: bool = True
    blkio_read_bps: bool = True
    blkio_write_bps: bool = True
    blkio_read_iops: bool = True
    blkio_write_iops: bool = True
    cpus: frozenset[int] = frozenset(range(8192))
    mems: frozenset[int] = frozenset(range(1024))


_CGROUP = "or the cgroup is not mounted"
# ability, the fields of Resources that need it, what is said when it is missing.
_DROPPED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "memory",
        ("memory", "memory_swap"),
        f"Your kernel does not support memory limit capabilities {_CGROUP}. Limitation discarded.",
    ),
    (
        "swap",
        ("memory_swap",),
        f"Your kernel does not support swap limit capabilities {_CGROUP}. Memory limited without swap.",
    ),
    (
        "swappiness",
        ("memory_swappiness",),
        f"Your kernel does not support memory swappiness capabilities {_CGROUP}. Memory swappiness discarded.",
    ),
    (
        "reservation",
        ("memory_reservation",),
        f"Your kernel does not support memory soft limit capabilities {_CGROUP}. Limitation discarded.",
    ),
    (
        "kernel_memory_tcp",
        ("kernel_memory_tcp",),
        f"Your kernel does not support kernel memory TCP limit capabilities {_CGROUP}. Limitation discarded.",
    ),
    (
        "oom_kill_disable",
        ("oom_kill_disable",),
        "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    ),
    (
        "oom_group",
        ("oom_group",),
        f"Your kernel does not support memory.oom.group {_CGROUP}. A lack of memory ends one process alone.",
    ),
    (
        "pids",
        ("pids_limit",),
        f"Your kernel does not support PIDs limit capabilities {_CGROUP}. PIDs limit discarded.",
    ),
    ("cpu_shares", ("cpu_shares",), f"Your kernel does not support CPU shares {_CGROUP}. Shares discarded."),
    (
        "cpu_cfs",
        ("cpu_quota", "cpu_period"),
        f"Your kernel does not support CPU CFS scheduler {_CGROUP}. CPU quota and period discarded.",
    ),
    (
        "cpuset",
        ("cpuset_cpus", "cpuset_mems"),
        f"Your kernel does not support cpuset {_CGROUP}. Cpuset discarded.",
    ),
    ("blkio_weight", ("blkio_weight",), f"Your kernel does not support Block I/O weight {_CGROUP}. Weight discarded."),
    (
        "blkio_weight_device",
        ("blkio_weight_device",),
        f"Your kernel does not support Block I/O weight_device {_CGROUP}. Weight-device discarded.",
    ),
    *(
        (
            f"blkio_{way}_{unit}",
            (f"blkio_{way}_{unit}",),
            f"Your kernel does not support {unit.upper()} Block I/O {way} limit {_CGROUP}. "
            f"Block I/O {unit.upper()} {way} limit discarded.",
        )
        for way in ("read", "write")
        for unit in ("bps", "iops")
    ),
)
_EMPTY = Resources()
_WITHOUT = {"swap": Resources(memory_swap=-1)}  # what else than nothing is shown where the ability is missing


def plan_allowed(wanted: Resources, able: Abilities) -> tuple[Resources, list[str]]:
    """Pure: the limits that can be set, and a warning for each one dropped. InvalidInput for one that must not be.

    >>> plan_allowed(Resources(memory=9, pids_limit=5), Abilities(pids=False))[1]
    ['Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.']
    """
    _refuse(wanted, able)
    warnings = []
    for ability, names, warning in _DROPPED:
        asked = {name for name in names if getattr(wanted, name) and getattr(wanted, name) != -1}
        if ability == "swappiness" and wanted.memory_swappiness is not None and wanted.memory_swappiness != -1:
            asked.add("memory_swappiness")
        if asked and not getattr(able, ability):
            wanted = replace(wanted, **{name: getattr(_WITHOUT.get(ability, _EMPTY), name) for name in asked})
            warnings.append(warning)
    if wanted.blkio_weight and not 10 <= wanted.blkio_weight <= 1000:
        raise InvalidInput("Range of blkio weight is from 10 to 1000")
    return wanted, warnings


def _refuse(wanted: Resources, able: Abilities) -> None:
    if wanted.nano_cpus and not able.cpu_cfs:
        raise InvalidInput(f"NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler {_CGROUP}")
    if (wanted.cpu_realtime_period or wanted.cpu_realtime_runtime) and not able.cpu_realtime:
        raise InvalidInput(f"Your kernel does not support CPU real-time scheduler {_CGROUP}")
    for text, have, what in ((wanted.cpuset_cpus, able.cpus, "CPUs"), (wanted.cpuset_mems, able.mems, "memory nodes")):
        option = "cpus" if what == "CPUs" else "mems"
        try:
            asked = parse_list(text)
        except ValueError as error:
            raise InvalidInput(f"Invalid value {text} for cpuset {option}") from error
        if able.cpuset and not asked <= have:
            raise InvalidInput(f"Requested {what} are not available - requested {text}, available: {format_list(have)}")


def parse_list(text: str) -> frozenset[int]:
    """Pure: the kernel's list format. ValueError if it is none.

    >>> sorted(parse_list("0-2,7"))
    [0, 1, 2, 7]
    """
    found: set[int] = set()
    for part in text.strip().split(",") if text.strip() else ():
        first, dash, last = part.partition("-")
        low, high = int(first), int(last if dash else first)
        if low > high or high > 1 << 16 or not (first + last).isdigit():
            raise ValueError(text)
        found.update(range(low, high + 1))
    return frozenset(found)


def format_list(numbers: frozenset[int]) -> str:
    """Pure: the inverse of `parse_list`.

    >>> format_list(frozenset({0, 1, 2, 7}))
    '0-2,7'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def probe(layout: Layout) -> Abilities:
    """Looks at the cgroup file systems. Costs about 1 ms."""
    return _probe_v2(layout) if layout.v2 else _probe_v1(layout)


def _probe_v1(layout: Layout) -> Abilities:
    def has(controller: str, name: str) -> bool:
        return controller in layout.mounts and os.path.exists(f"{layout.mounts[controller]}/{name}")

    return Abilities(
        memory="memory" in layout.mounts,
        swap=has("memory", "memory.memsw.limit_in_bytes"),
        reservation=has("memory", "memory.soft_limit_in_bytes"),
        swappiness=has("memory", "memory.swappiness"),
        oom_kill_disable=has("memory", "memory.oom_control"),
        oom_group=False,
        kernel_memory_tcp=has("memory", "memory.kmem.tcp.limit_in_bytes"),
        cpu_shares=has("cpu", "cpu.shares"),
        cpu_cfs=has("cpu", "cpu.cfs_quota_us"),
        cpu_realtime=has("cpu", "cpu.rt_period_us"),
        cpuset="cpuset" in layout.mounts,
        pids="pids" in layout.mounts,
        blkio_weight=has("blkio", "blkio.weight") or has("blkio", "blkio.bfq.weight"),
        blkio_weight_device=has("blkio", "blkio.weight_device") or has("blkio", "blkio.bfq.weight_device"),
        blkio_read_bps=has("blkio", "blkio.throttle.read_bps_device"),
        blkio_write_bps=has("blkio", "blkio.throttle.write_bps_device"),
        blkio_read_iops=has("blkio", "blkio.throttle.read_iops_device"),
        blkio_write_iops=has("blkio", "blkio.throttle.write_iops_device"),
        cpus=_numbers(f"{layout.mounts.get('cpuset')}/cpuset.cpus"),
        mems=_numbers(f"{layout.mounts.get('cpuset')}/cpuset.mems"),
    )


def _probe_v2(layout: Layout) -> Abilities:
    have = layout.controllers

    def below_root(name: str) -> bool:  # limits have no file in the root group
        return any(True for _ in glob.iglob(f"{layout.unified}/*/{name}"))

    memory, cpu, io = "memory" in have, "cpu" in have, "io" in have
    weight = io and (below_root("io.weight") or below_root("io.bfq.weight"))
    return Abilities(
        **dict.fromkeys(("memory", "reservation"), memory),
        **dict.fromkeys(("cpu_shares", "cpu_cfs"), cpu),
        **dict.fromkeys(("blkio_read_bps", "blkio_write_bps", "blkio_read_iops", "blkio_write_iops"), io),
        **dict.fromkeys(("blkio_weight", "blkio_weight_device"), weight),
        **dict.fromkeys(("swappiness", "oom_kill_disable", "kernel_memory_tcp", "cpu_realtime"), False),
        swap=memory and below_root("memory.swap.max"),
        oom_group=memory and below_root("memory.oom.group"),
        cpuset="cpuset" in have,
        pids="pids" in have,
        cpus=_numbers(f"{layout.unified}/cpuset.cpus.effective"),
        mems=_numbers(f"{layout.unified}/cpuset.mems.effective"),
    )


def _numbers(path: str) -> frozenset[int]:
    try:
        with open(path) as file:
            return parse_list(file.read())
    except (OSError, ValueError):  # no such controller: nothing that a cpuset could name is known
        return frozenset(range(8192))
