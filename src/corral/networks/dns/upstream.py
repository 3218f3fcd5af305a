"""Passing questions on: to the servers that a container was given, or to those of the host, as they are now."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from corral.kit.timeouts import fair_timeout
from corral.networks.dns.wire import LARGEST, REFUSED, SERVFAIL, Query, code_of, fits

PORT = 53
PATIENCE = 2.0  # seconds for one server; who asks gives up after five
_TCP_PATIENCE = 5.0
_SHORT_PATIENCE = 0.3  # for one that was silent a moment ago
_REMEMBERED = 30.0  # seconds
FALLBACK = ("8.8.8.8", "8.8.4.4")

MakeSocket = Callable[[int, int], socket.socket]


@dataclass(frozen=True)
class Upstream:
    """`servers` empty: the host's. `inside`: asked from the container's own network, where its 127.0.0.1 is."""

    servers: tuple[str, ...] = ()
    inside: bool = False
    port: int = PORT


def plan_servers(resolv_conf: str) -> list[str]:
    """Pure: the servers of a resolv.conf. Those on the host's loopback, too: it is the host that asks them, so a
    resolver there decides which domain is asked for where.

    >>> plan_servers("nameserver 127.0.0.53\\n# x\\nnameserver  fe80::1%eth0\\n"), plan_servers("")
    (['127.0.0.53', 'fe80::1%eth0'], ['8.8.8.8', '8.8.4.4'])
    """
    words = [line.split() for line in resolv_conf.splitlines()]
    return [w[1] for w in words if len(w) > 1 and w[0] == "nameserver"] or list(FALLBACK)


class HostServers:
    """The host's servers, read again when the file has changed."""

    def __init__(self, path: str = "/etc/resolv.conf") -> None:
        self._path = path
        self._seen: tuple[int, int] = (-1, -1)
        self._servers: list[str] = list(FALLBACK)

    def now(self) -> list[str]:
        try:
            status = os.stat(self._path)
            if (status.st_mtime_ns, status.st_ino) != self._seen:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._servers = plan_servers(file.read())
                self._seen = (status.st_mtime_ns, status.st_ino)
        except OSError:  # the host does without it
            self._servers = list(FALLBACK)
        return self._servers


def plan_patience(servers: Sequence[str], silent: Mapping[str, float], now: float, whole: float) -> list[float]:
    """Pure: the seconds that each of the servers is waited for. `silent`: when each was last waited for in vain.

    All are asked in their order, for what the first knows the others may not (split DNS). But one that was silent of
    late holds nobody up while a server after it is not known to be.

    >>> plan_patience(["10.0.0.1", "10.0.0.2"], {}, 100.0, 2.0)
    [2.0, 2.0]
    >>> plan_patience(["10.0.0.1", "10.0.0.2"], {"10.0.0.1": 90.0}, 100.0, 2.0)
    [0.3, 2.0]
    >>> plan_patience(["10.0.0.1", "10.0.0.2"], {"10.0.0.1": 90.0, "10.0.0.2": 95.0}, 100.0, 2.0)
    [2.0, 2.0]
    >>> plan_patience(["10.0.0.1", "10.0.0.2"], {"10.0.0.1": 60.0}, 100.0, 2.0)
    [2.0, 2.0]
    """
    mute = [now - silent.get(server, -_REMEMBERED) < _REMEMBERED for server in servers]
    return [_SHORT_PATIENCE if is_mute and not all(mute[place:]) else whole for place, is_mute in enumerate(mute)]


async def forward(
    query: Query,
    data: bytes,
    servers: Sequence[str],
    make: MakeSocket,
    silent: dict[str, float],
    *,
    tcp: bool = False,
    port: int = PORT,
) -> bytes:
    """The first good answer; else the last bad one, b"" where nobody answers. The asker's number is put back.

    `silent` is the asker's memory of servers that did not answer, kept here.
    """
    sent = secrets.token_bytes(2) + data[2:]
    last = b""
    exchange, whole = (_over_tcp, _TCP_PATIENCE) if tcp else (_over_udp, PATIENCE)
    for server, seconds in zip(servers, plan_patience(servers, silent, time.monotonic(), whole), strict=True):
        try:
            async with fair_timeout(seconds):
                reply = await exchange(server, port, query, sent, make)
        except TimeoutError:
            silent[server] = time.monotonic()
            continue
        except (OSError, asyncio.IncompleteReadError):
            continue
        silent.pop(server, None)
        last = reply or last
        if reply and code_of(reply) not in (SERVFAIL, REFUSED):
            break
    return data[:2] + last[2:] if last else b""


def _address(server: str, port: int, kind: int) -> tuple[int, tuple[str, int] | tuple[str, int, int, int]]:
    family, _, _, _, address = socket.getaddrinfo(server, port, type=kind, flags=socket.AI_NUMERICHOST)[0]
    return family, address  # type: ignore[return-value]


async def _over_udp(server: str, port: int, query: Query, sent: bytes, make: MakeSocket) -> bytes:
    loop = asyncio.get_running_loop()
    family, address = _address(server, port, socket.SOCK_DGRAM)
    with make(family, socket.SOCK_DGRAM) as asking:
        asking.connect(address)
        asking.send(sent)
        while True:  # what answers something else is not for us
            reply = await loop.sock_recv(asking, LARGEST)
            if fits(reply, sent, query):
                return reply


async def _over_tcp(server: str, port: int, query: Query, sent: bytes, make: MakeSocket) -> bytes:
    loop = asyncio.get_running_loop()
    family, address = _address(server, port, socket.SOCK_STREAM)
    asking = make(family, socket.SOCK_STREAM)
    try:
        await loop.sock_connect(asking, address)
        reader, writer = await asyncio.open_connection(sock=asking)
        try:
            writer.write(len(sent).to_bytes(2, "big") + sent)
            length = int.from_bytes(await reader.readexactly(2), "big")
            reply = await reader.readexactly(length)
        finally:
            writer.close()
    finally:
        asking.close()
    return reply if fits(reply, sent, query) else b""
