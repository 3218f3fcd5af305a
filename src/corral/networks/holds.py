"""Holding the host's ports: a socket that nobody talks to, so that nobody else can have the port.

The firewall leads packets to the container before they get here. The socket makes a taken port an error, shows
in `ss -l` who has it, and takes IPv6 connections for containers without IPv6 (see `relay`).
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Mapping

from corral.errors import HostError
from corral.linux.listeners import find_holder as find_listener
from corral.networks.ports import Key, Wanted, clash, free_numbers

_KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_NO_PROTOCOL = (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)

Held = dict[Key, socket.socket | None]


def hold(key: Key) -> socket.socket | None:
    """Binds one port. OSError if it is taken; None when the kernel knows no such protocol (SCTP as a module)."""
    kind, number = _KINDS[key.protocol]
    family = socket.AF_INET6 if ":" in key.host_ip else socket.AF_INET
    try:
        handle = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, number)
    except OSError as error:
        if error.errno in _NO_PROTOCOL:
            return None
        raise
    try:
        if family == socket.AF_INET6:
            handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if key.protocol != "udp":
            # Connections of an earlier server that linger must not keep the port; only listening then holds it.
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        handle.bind((key.host_ip, key.host_port))
        if key.protocol != "udp":
            handle.listen(128)
    except BaseException:
        handle.close()
        raise
    return handle


def hold_first(wanted: Wanted, taken: Mapping[Key, str], container: str) -> Held:
    """Binds the first number that is free on all the addresses. HostError in Docker's words if none is; of one number
    it says who has it."""
    refusal = plan_refusal(wanted, taken)
    for number in free_numbers(wanted, taken):
        held: Held = {}
        key = Key(wanted.protocol, wanted.host_ips[0], number)
        try:
            for key in (Key(wanted.protocol, ip, number) for ip in wanted.host_ips):
                _hold_one(held, key, key.host_ip in wanted.lenient)
            return held
        except OSError as error:
            release(held)
            reason = (error.strerror or "").lower()
            refusal = f"failed to bind host port for {key.text}:{container}:{wanted.port}/{wanted.protocol}: {reason}"
            if error.errno != errno.EADDRINUSE:
                break
            refusal += f" ({holder})" if (holder := find_holder(key)) else ""
    raise HostError(refusal)


def plan_refusal(wanted: Wanted, taken: Mapping[Key, str]) -> str:
    """Pure: what is said where containers have all the numbers.

    >>> wanted = Wanted(80, "tcp", ("0.0.0.0",), (range(80, 81),))
    >>> plan_refusal(wanted, {Key("tcp", "0.0.0.0", 80): "web"})
    'Bind for 0.0.0.0:80 failed: port is already allocated (container web has it)'
    """
    first = Key(wanted.protocol, wanted.host_ips[0], wanted.numbers[0][0])
    if sum(map(len, wanted.numbers)) > 1:
        return f"Bind for {first.text} failed: all ports are allocated"
    keys = (Key(wanted.protocol, ip, first.host_port) for ip in wanted.host_ips)
    holder = next((taken[found] for key in keys if (found := clash(key, taken))), "")
    return f"Bind for {first.text} failed: port is already allocated" + (
        f" (container {holder} has it)" if holder else ""
    )


def _hold_one(held: Held, key: Key, lenient: bool) -> None:
    try:
        held[key] = hold(key)
    except OSError as error:
        if not (lenient and error.errno in _NO_FAMILY):
            raise


def hold_again(key: Key) -> socket.socket | None:
    """For a restarted daemon: None when the port was taken meanwhile. The rules lead to the container anyway."""
    with contextlib.suppress(OSError):
        return hold(key)
    return None


def release(held: Held) -> None:
    for handle in held.values():
        if handle is not None:
            handle.close()
    held.clear()


def find_holder(key: Key) -> str:
    """The program that has a port of the host, "" where it cannot be told."""
    found = find_listener(key.protocol, key.host_ip, key.host_port)
    return f"{found.name}, process {found.pid}, has it" if found else ""
