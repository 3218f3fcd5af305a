"""`stats`: what containers use, as numbers that change."""

from __future__ import annotations

import json

from corral.cli import terminal
from corral.cli.http import Reply, quote
from corral.cli.options import Parsed, Verb, flag, text
from corral.cli.render import Columns, binary_size, decimal_size, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def cpu_percent(sample: dict[str, Any]) -> float:
    """Of one CPU, so four busy CPUs are 400. Pure.

    >>> one = {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000}
    >>> two = {"cpu_usage": {"total_usage": 150}, "system_cpu_usage": 1200, "online_cpus": 2}
    >>> cpu_percent({"precpu_stats": one, "cpu_stats": two})
    50.0
    """
    now, before = sample["cpu_stats"], sample["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    whole = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    return used / whole * now.get("online_cpus", 1) * 100 if whole > 0 and used > 0 else 0.0


def memory_used(memory: dict[str, Any]) -> int:
    """Without the page cache that the kernel would give back. Pure.

    >>> memory_used({"usage": 100, "stats": {"inactive_file": 30}})
    70
    """
    detail = memory.get("stats") or {}
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    usage: int = memory.get("usage", 0)
    return usage - cache if cache < usage else usage


def _io(sample: dict[str, Any], operation: str) -> int:
    entries = (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    return sum(e["value"] for e in entries if e["op"].lower() == operation)


def _net(sample: dict[str, Any], key: str) -> int:
    return sum(one[key] for one in (sample.get("networks") or {}).values())


def _memory_percent(sample: dict[str, Any]) -> str:
    limit = sample["memory_stats"].get("limit", 0)
    return f"{memory_used(sample['memory_stats']) / limit * 100 if limit else 0:.2f}%"


def columns(whole: bool) -> Columns:
    used = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"
    return Columns(
        {
            "ID": ("CONTAINER ID", lambda s: s["id"] if whole else short(s["id"])),
            "Container": ("CONTAINER", lambda s: s["id"] if whole else short(s["id"])),
            "Name": ("NAME", lambda s: s["name"].lstrip("/")),
            "CPUPerc": ("CPU %", lambda s: f"{cpu_percent(s):.2f}%"),
            "MemUsage": (
                "MEM USAGE / LIMIT",
                lambda s: (
                    f"{binary_size(memory_used(s['memory_stats']))} / {binary_size(s['memory_stats'].get('limit', 0))}"
                ),
            ),
            "MemPerc": ("MEM %", _memory_percent),
            "NetIO": (
                "NET I/O",
                lambda s: f"{decimal_size(_net(s, 'rx_bytes'))} / {decimal_size(_net(s, 'tx_bytes'))}",
            ),
            "BlockIO": ("BLOCK I/O", lambda s: f"{decimal_size(_io(s, 'read'))} / {decimal_size(_io(s, 'write'))}"),
            "PIDs": ("PIDS", lambda s: str((s.get("pids_stats") or {}).get("current", 0))),
        },
        used,
    )


def stats(session: Session, options: Parsed) -> int:
    client = session.client
    every = {"all": options.on("all")}
    names = options.args or [c["Id"] for c in client.call("GET", "/containers/json", every)]
    follow = not options.on("no-stream")
    # all are asked before the first answer is read: the samples are taken at the same time
    replies = [client.open("GET", f"/containers/{quote(name)}/stats", {"stream": str(int(follow))}) for name in names]
    show = columns(options.on("no-trunc"))
    how, hint = options.text("format"), session.docker("stats --format …")
    if not follow or not replies:
        for line in show.show([reply.json() for reply in replies], how, hint):
            session.say(line)
        return 0
    clear = "\033[H\033[J" if terminal.is_terminal(1) and not how else ""
    for samples in _rounds(replies):
        session.say(clear + "\n".join(show.show(samples, how, hint)))
        _flush()
    return 0


def _flush() -> None:
    import sys

    sys.stdout.flush()


def _rounds(replies: list[Reply]) -> Any:
    """Lists of the newest samples, one list whenever every living container has a new one."""
    readers = {reply.link.fileno(): reply.lines() for reply in replies}
    while readers:
        samples = []
        for fd in list(readers):
            line = next(readers[fd], None)
            if line is None:
                del readers[fd]
            else:
                samples.append(json.loads(line))
        if samples:
            yield samples


VERBS = {
    "stats": Verb(
        stats,
        "stats [OPTIONS] [CONTAINER…]",
        (
            flag("-a --all", "also those that do not run"),
            text("--format", "FORMAT", "json, a template of {{.Column}}, or table and a template"),
            flag("--no-stream", "one sample"),
            flag("--no-trunc", "whole ids"),
        ),
        completes="running",
    )
}
