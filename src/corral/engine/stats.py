"""What a container uses now, and which processes it runs."""

from __future__ import annotations

import os

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.stop import has_ended
from corral.errors import Conflict, HostError, InvalidInput, Unavailable
from corral.linux.spawn import run
from corral.model.stats import CgroupStats, InterfaceStats, Stats


def read_stats(parts: Parts, live: Live) -> Stats:
    """One sample; all zero for a container that does not run."""
    now = parts.clock.now()
    state = live.record.state
    if not state.pid or has_ended(live):
        return Stats(now, CgroupStats())
    own_network = not live.record.spec.network.mode.startswith(("host", "container:", "space:"))
    return Stats(
        now,
        parts.cgroups.stats(parts.group(live)),
        system_cpu=system_cpu(_read("/proc/stat")),
        online_cpus=os.cpu_count() or 1,
        interfaces=_interfaces(live) if own_network else {},
    )


def _interfaces(live: Live) -> dict[str, InterfaceStats]:
    try:
        return parse_net_dev(_read(f"/proc/{live.record.state.pid}/net/dev"))
    except HostError:
        if has_ended(live):
            return {}
        raise


def system_cpu(stat: str) -> int:
    """Pure: the host's CPU time of all kinds, in nanoseconds, from /proc/stat (100 ticks a second).

    >>> system_cpu("cpu  1 2 3 4 5 6 7 8 9 9\\ncpu0 0")
    360000000
    """
    ticks = stat.partition("\n")[0].split()[1:9]
    return sum(map(int, ticks)) * 10_000_000


def parse_net_dev(text: str) -> dict[str, InterfaceStats]:
    """Pure: /proc/net/dev without the loopback.

    >>> text = "a|b\\nc|d\\n lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\\n eth0: 7 6 5 4 0 0 0 0 3 2 1 0 0 0 0 0\\n"
    >>> parse_net_dev(text)["eth0"].rx_bytes, list(parse_net_dev(text))
    (7, ['eth0'])
    """
    found = {}
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        n = [int(x) for x in numbers.split()]
        if name.strip() != "lo" and len(n) >= 12:
            found[name.strip()] = InterfaceStats(n[0], n[1], n[2], n[3], n[8], n[9], n[10], n[11])
    return found


async def top(parts: Parts, live: Live, ps_args: str) -> tuple[list[str], list[list[str]]]:
    """The container's processes as the host's ps shows them: titles and rows. Conflict when it does not run."""
    if live.record.state.status == "restarting":
        raise Conflict(f"Container {live.id} is restarting, wait until the container is running")
    if not live.record.state.pid:
        raise Conflict(f"container {live.id} is not running")
    try:
        done = await run(["ps", *(ps_args or "-ef").split()], timeout=10)
    except FileNotFoundError:
        raise Unavailable("ps is not installed on this host; install the package procps") from None
    if done.code != 0:
        raise HostError(f"ps: {done.err.decode('utf-8', 'replace').strip().partition(chr(10))[0]}")  # usage follows
    pids = set(parts.cgroups.pids(parts.group(live)))
    return plan_top(done.out.decode("utf-8", "replace"), pids)


def plan_top(text: str, pids: set[int]) -> tuple[list[str], list[list[str]]]:
    """Pure: ps' table cut down to some pids. InvalidInput when it has no PID column.

    >>> plan_top("UID PID CMD\\nroot 7 sleep 9\\nroot 8 sh\\n", {7})
    (['UID', 'PID', 'CMD'], [['root', '7', 'sleep 9']])
    """
    lines = text.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidInput("Couldn't find PID field in ps output")
    at = titles.index("PID")
    rows = [line.split(None, len(titles) - 1) for line in lines[1:] if line.strip()]
    return titles, [row for row in rows if row[at].isdigit() and int(row[at]) in pids]


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        raise HostError(f"read {path}: {error.strerror}") from error
