"""The kernel's accounting files as numbers. All pure: text in, data out; missing files are empty texts.

Times come out in nanoseconds, sizes in bytes, "no limit" as 0.
"""

from __future__ import annotations

from collections.abc import Callable

from corral.model.stats import BlockIo, CgroupStats

Read = Callable[[str, str], str]  # (controller, file) -> its text, "" if there is none

_TICK = 10_000_000  # cpuacct.stat counts in hundredths of a second
_UNLIMITED = 1 << 62  # v1 says "no limit" as a number near 2**63


def parse_flat(text: str) -> dict[str, int]:
    """Lines of "name number".

    >>> parse_flat("anon 4096\\nfile 8192\\n")
    {'anon': 4096, 'file': 8192}
    """
    pairs = (line.rsplit(" ", 1) for line in text.splitlines())
    return {p[0]: int(p[1]) for p in pairs if len(p) == 2 and p[1].isdigit()}


def parse_number(text: str) -> int:
    """One number; "max", nothing, and v1's huge number are 0.

    >>> parse_number("42\\n"), parse_number("max\\n"), parse_number("9223372036854771712\\n"), parse_number("")
    (42, 0, 0, 0)
    """
    value = int(text) if text.strip().isdigit() else 0
    return 0 if value >= _UNLIMITED else value


_IO_V2 = (("rbytes", "read"), ("wbytes", "write"), ("dbytes", "discard"))
_IOS_V2 = (("rios", "read"), ("wios", "write"), ("dios", "discard"))


def parse_io_stat(text: str) -> tuple[list[BlockIo], list[BlockIo]]:
    """v2's io.stat: (bytes, operations) by device.

    >>> parse_io_stat("8:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\\n")[0][0]
    BlockIo(major=8, minor=0, operation='read', value=512)
    """
    sizes: list[BlockIo] = []
    counts: list[BlockIo] = []
    for line in text.splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        if not minor or "rbytes" not in values:
            continue
        for names, out in ((_IO_V2, sizes), (_IOS_V2, counts)):
            out += [BlockIo(int(major), int(minor), word, int(values.get(key, 0))) for key, word in names]
    return sizes, counts


def parse_blkio(text: str) -> list[BlockIo]:
    """v1's blkio.throttle.io_service_bytes and its like.

    >>> parse_blkio("8:0 Read 512\\n8:0 Total 512\\nTotal 512\\n")[1]
    BlockIo(major=8, minor=0, operation='Total', value=512)
    """
    found = []
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 3:
            major, minor = parts[0].split(":")
            found.append(BlockIo(int(major), int(minor), parts[1], int(parts[2])))
    return found


def stats_v2(read: Read) -> CgroupStats:
    """One sample of a v2 cgroup. The failure count is, as dockerd has it, how often the kernel looked for a victim."""
    cpu = parse_flat(read("cpu", "cpu.stat"))
    sizes, counts = parse_io_stat(read("io", "io.stat"))
    return CgroupStats(
        version=2,
        cpu_total=cpu.get("usage_usec", 0) * 1000,
        cpu_user=cpu.get("user_usec", 0) * 1000,
        cpu_system=cpu.get("system_usec", 0) * 1000,
        throttling_periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_time=cpu.get("throttled_usec", 0) * 1000,
        memory_usage=parse_number(read("memory", "memory.current")),
        memory_limit=parse_number(read("memory", "memory.max")),
        memory_fail_count=parse_flat(read("memory", "memory.events")).get("oom", 0),
        memory_detail=parse_flat(read("memory", "memory.stat")),
        pids=parse_number(read("pids", "pids.current")),
        pids_limit=parse_number(read("pids", "pids.max")),
        io_bytes=sizes,
        io_operations=counts,
    )


def stats_v1(read: Read) -> CgroupStats:
    """One sample of a v1 cgroup."""
    ticks = parse_flat(read("cpuacct", "cpuacct.stat"))
    cpu = parse_flat(read("cpu", "cpu.stat"))
    return CgroupStats(
        version=1,
        cpu_total=parse_number(read("cpuacct", "cpuacct.usage")),
        cpu_user=ticks.get("user", 0) * _TICK,
        cpu_system=ticks.get("system", 0) * _TICK,
        per_cpu=[int(word) for word in read("cpuacct", "cpuacct.usage_percpu").split()],
        throttling_periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_time=cpu.get("throttled_time", 0),
        memory_usage=parse_number(read("memory", "memory.usage_in_bytes")),
        memory_max_usage=parse_number(read("memory", "memory.max_usage_in_bytes")),
        memory_limit=parse_number(read("memory", "memory.limit_in_bytes")),
        memory_fail_count=parse_number(read("memory", "memory.failcnt")),
        memory_detail=parse_flat(read("memory", "memory.stat")),
        pids=parse_number(read("pids", "pids.current")),
        pids_limit=parse_number(read("pids", "pids.max")),
        io_bytes=parse_blkio(_first(read, "io_service_bytes_recursive", "io_service_bytes")),
        io_operations=parse_blkio(_first(read, "io_serviced_recursive", "io_serviced")),
    )


def _first(read: Read, *names: str) -> str:
    return next((text for name in names if (text := read("blkio", f"blkio.throttle.{name}"))), "")
