"""Limits: their checks in dockerd's words, and their translation. Shared by create and update."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corral.api.docker import parts, settings
from corral.api.docker.facts import Facts, parse_number_list
from corral.errors import InvalidInput
from corral.model.container import Device, Resources, ThrottleDevice, Ulimit, WeightDevice

LEAST_MEMORY = 6 << 20
INT64_MAX = 2**63 - 1  # more no client can read
MISSING = "capabilities or the cgroup is not mounted."

ULIMITS = (
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
)  # fmt: skip


def check_resources(asked: settings.Resources, facts: Facts, update: bool) -> list[str]:
    """InvalidInput for absurd limits; what the host cannot limit is taken out of `asked`, with a warning each."""
    return (
        _check_memory(asked, facts, update)
        + _check_swappiness(asked, facts)
        + _check_reservation(asked)
        + _check_kernel_and_oom(asked, facts)
        + _check_cpu(asked, facts)
        + _check_cpuset(asked, facts)
        + _check_block_io(asked)
    )


def _check_memory(asked: settings.Resources, facts: Facts, update: bool) -> list[str]:
    if asked.Memory != 0 and asked.Memory < LEAST_MEMORY:
        raise InvalidInput("Minimum memory limit allowed is 6MB")
    if asked.Memory > 0 and not facts.has("memory"):
        asked.Memory, asked.MemorySwap = 0, -1
        return [f"Your kernel does not support memory limit {MISSING} Limitation discarded."]
    if 0 < asked.MemorySwap < asked.Memory:
        raise InvalidInput("Minimum memoryswap limit should be larger than memory limit, see usage")
    if asked.Memory == 0 and asked.MemorySwap > 0 and not update:
        raise InvalidInput("You should always set the Memory limit when using Memoryswap limit, see usage")
    return []


def _check_swappiness(asked: settings.Resources, facts: Facts) -> list[str]:
    if asked.MemorySwappiness == -1:
        asked.MemorySwappiness = None
    if asked.MemorySwappiness is not None and facts.cgroup_version == 2:
        asked.MemorySwappiness = None
        return [f"Your kernel does not support memory swappiness {MISSING} Memory swappiness discarded."]
    if asked.MemorySwappiness is not None and not 0 <= asked.MemorySwappiness <= 100:
        raise InvalidInput(f"Invalid value: {asked.MemorySwappiness}, valid memory swappiness range is 0-100")
    return []


def _check_reservation(asked: settings.Resources) -> list[str]:
    if 0 < asked.MemoryReservation < LEAST_MEMORY:
        raise InvalidInput("Minimum memory reservation allowed is 6MB")
    if 0 < asked.Memory < asked.MemoryReservation:
        raise InvalidInput("Minimum memory limit can not be less than memory reservation limit, see usage")
    return []


def _check_kernel_and_oom(asked: settings.Resources, facts: Facts) -> list[str]:
    warnings = []
    if asked.KernelMemory > 0:
        asked.KernelMemory = 0
        warnings.append(f"Your kernel does not support kernel memory limit {MISSING} Limitation discarded.")
    if facts.cgroup_version == 2:
        if asked.OomKillDisable:
            warnings.append("Your kernel does not support OomKillDisable. OomKillDisable discarded.")
        asked.OomKillDisable = None
    elif asked.OomKillDisable and not asked.Memory:
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set, "
            "this can result in the system running out of resources."
        )
    if asked.PidsLimit is not None and not facts.has("pids"):
        if asked.PidsLimit > 0:
            warnings.append(f"Your kernel does not support PIDs limit {MISSING} PIDs limit discarded.")
        asked.PidsLimit = None
    return warnings


def _check_cpu(asked: settings.Resources, facts: Facts) -> list[str]:
    if asked.CpuRealtimePeriod or asked.CpuRealtimeRuntime:
        if facts.cgroup_version == 2:
            raise InvalidInput("kernel does not support CPU real-time scheduler")
        if asked.CpuRealtimePeriod and asked.CpuRealtimeRuntime > asked.CpuRealtimePeriod:
            raise InvalidInput("cpu real-time runtime cannot be higher than cpu real-time period")
    if asked.CpuShares < 0:
        raise InvalidInput(f"invalid CPU shares ({asked.CpuShares}): value must be a positive integer")
    if asked.NanoCpus > 0 and asked.CpuPeriod > 0:
        raise InvalidInput("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if asked.NanoCpus > 0 and asked.CpuQuota > 0:
        raise InvalidInput("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    count = len(facts.cpus)
    if not 0 <= asked.NanoCpus <= count * 10**9:
        raise InvalidInput(f"range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available")
    if asked.CpuPeriod != 0 and not 1000 <= asked.CpuPeriod <= 1_000_000:
        raise InvalidInput("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < asked.CpuQuota < 1000:
        raise InvalidInput("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    return []


def _check_cpuset(asked: settings.Resources, facts: Facts) -> list[str]:
    if (asked.CpusetCpus or asked.CpusetMems) and not facts.has("cpuset"):
        asked.CpusetCpus = asked.CpusetMems = ""
        return ["Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded."]
    _check_numbers(asked.CpusetCpus, facts.cpus, "cpus", "CPUs")
    _check_numbers(asked.CpusetMems, facts.memory_nodes, "mems", "memory nodes")
    return []


def _check_numbers(text: str, available: Sequence[int], field: str, what: str) -> None:
    try:
        wanted = parse_number_list(text)
    except ValueError as error:
        raise InvalidInput(f"Invalid value {text} for cpuset {field}: {error}") from None
    if not wanted <= set(available):
        have = show_numbers(available)
        raise InvalidInput(f"Requested {what} are not available - requested {text}, available: {have}")


def show_numbers(numbers: Sequence[int]) -> str:
    """
    >>> show_numbers([0, 1, 2, 5])
    '0-2,5'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def _check_block_io(asked: settings.Resources) -> list[str]:
    for device in asked.BlkioWeightDevice:
        if not 10 <= device.Weight <= 1000:
            raise InvalidInput(f"invalid weight for device: {device.Path}:{device.Weight}")
    return []


def resources_of(asked: settings.Resources) -> Resources:
    """The limits as the engine takes them; no swap limit means twice the memory."""
    return Resources(
        memory=asked.Memory,
        memory_reservation=asked.MemoryReservation,
        memory_swap=asked.MemorySwap or min(2 * asked.Memory, INT64_MAX),
        memory_swappiness=asked.MemorySwappiness,
        kernel_memory_tcp=asked.KernelMemoryTCP,
        oom_kill_disable=asked.OomKillDisable,
        nano_cpus=asked.NanoCpus,
        cpu_shares=asked.CpuShares,
        cpu_period=asked.CpuPeriod,
        cpu_quota=asked.CpuQuota,
        cpu_realtime_period=asked.CpuRealtimePeriod,
        cpu_realtime_runtime=asked.CpuRealtimeRuntime,
        cpuset_cpus=asked.CpusetCpus,
        cpuset_mems=asked.CpusetMems,
        pids_limit=asked.PidsLimit,
        blkio_weight=asked.BlkioWeight,
        blkio_weight_device=[WeightDevice(device.Path, device.Weight) for device in asked.BlkioWeightDevice],
        blkio_read_bps=_throttles(asked.BlkioDeviceReadBps),
        blkio_write_bps=_throttles(asked.BlkioDeviceWriteBps),
        blkio_read_iops=_throttles(asked.BlkioDeviceReadIOps),
        blkio_write_iops=_throttles(asked.BlkioDeviceWriteIOps),
    )


def _throttles(devices: Iterable[parts.ThrottleDevice]) -> list[ThrottleDevice]:
    return [ThrottleDevice(device.Path, device.Rate) for device in devices]


def devices_of(devices: Iterable[parts.DeviceMapping]) -> list[Device]:
    return [
        Device(device.PathOnHost, device.PathInContainer or device.PathOnHost, device.CgroupPermissions or "rwm")
        for device in devices
    ]


def ulimits_of(ulimits: Iterable[parts.Ulimit]) -> list[Ulimit]:
    """InvalidInput for an unknown kind, or a soft limit above the hard one (-1 is unlimited)."""
    for limit in ulimits:
        if limit.Name not in ULIMITS:
            raise InvalidInput(f"invalid ulimit type: {limit.Name}")
        if limit.Hard != -1 and limit.Soft == -1:
            raise InvalidInput(
                f"ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: {limit.Hard}"
            )
        if limit.Hard != -1 and limit.Soft > limit.Hard:
            raise InvalidInput(
                f"ulimit soft limit must be less than or equal to hard limit: {limit.Soft} > {limit.Hard}"
            )
    return [Ulimit(limit.Name, limit.Soft, limit.Hard) for limit in ulimits]
