"""Which program has a port of the host: for error messages, so it may take its time."""

from __future__ import annotations

import os
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

_LISTENING = "0A"


class Holder(NamedTuple):
    pid: int
    name: str


class Socket(NamedTuple):
    address: IPv4Address | IPv6Address
    inode: str


def find_holder(protocol: str, address: str, port: int) -> Holder | None:
    """The process with a socket in the way of that port of that address; None where none is, or none is shown."""
    sockets = [s for kind in (protocol, f"{protocol}6") for s in parse_sockets(_read(f"/proc/net/{kind}"), port)]
    wanted = {f"socket:[{each.inode}]" for each in sockets if in_the_way(each.address, ip_address(address))}
    if not wanted:
        return None
    return next((found for pid in _pids() if (found := _holds(pid, wanted))), None)


def parse_sockets(text: str, port: int) -> list[Socket]:
    """Pure: the sockets of /proc/net/tcp or /proc/net/udp that serve a port.

    >>> line = "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711 1"
    >>> parse_sockets(f"head\\n{line}\\n", 8080), parse_sockets(f"head\\n{line}\\n", 80)
    ([Socket(address=IPv4Address('127.0.0.1'), inode='4711')], [])
    """
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 9 and words[3] in (_LISTENING, "07"):
            address, _, number = words[1].rpartition(":")
            if int(number, 16) == port:
                found.append(Socket(_address(address), words[9]))
    return found


def _address(text: str) -> IPv4Address | IPv6Address:
    """Words of 32 bits, each as the machine has it in memory."""
    words = (int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8))
    found = ip_address(b"".join(words))
    return getattr(found, "ipv4_mapped", None) or found


def in_the_way(has: IPv4Address | IPv6Address, wanted: IPv4Address | IPv6Address) -> bool:
    """Pure: whether a socket at one address keeps another from being bound, at the same port. At `::` it may be there
    for both families.

    >>> v4, any6 = ip_address("127.0.0.1"), ip_address("::")
    >>> in_the_way(v4, ip_address("127.0.0.2")), in_the_way(v4, ip_address("0.0.0.0")), in_the_way(v4, any6)
    (False, True, False)
    >>> in_the_way(any6, v4)
    True
    """
    if has.version != wanted.version:
        return has == IPv6Address("::")
    return has == wanted or has.is_unspecified or wanted.is_unspecified


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
