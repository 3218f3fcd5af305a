"""Which program has a port of the host: for error messages, so it may take its time."""

from __future__ import annotations

import os
from typing import NamedTuple

_LISTENING = "0A"


class Holder(NamedTuple):
    pid: int
    name: str


def find_holder(protocol: str, port: int) -> Holder | None:
    """The process with a socket at that port, on whatever address; None where there is none or it is not shown."""
    inodes = {inode for kind in (protocol, f"{protocol}6") for inode in parse_sockets(_read(f"/proc/net/{kind}"), port)}
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return next((found for pid in _pids() if (found := _holds(pid, wanted))), None)


def parse_sockets(text: str, port: int) -> list[str]:
    """Pure: the inodes of the sockets of /proc/net/tcp or /proc/net/udp that serve a port.

    >>> line = "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711 1"
    >>> parse_sockets(f"head\\n{line}\\n", 8080), parse_sockets(f"head\\n{line}\\n", 80)
    (['4711'], [])
    """
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 9 and int(words[1].rpartition(":")[2], 16) == port and words[3] in (_LISTENING, "07"):
            found.append(words[9])
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _holds(pid: int, wanted: set[str]) -> Holder | None:
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") in wanted:
                return Holder(pid, _read(f"/proc/{pid}/comm").strip())
    except OSError:  # it has ended meanwhile, or does not show its files
        return None
    return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
