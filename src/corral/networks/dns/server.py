"""The name servers of an instance's containers: one for each that is in a network with names.

A question about a container is answered at once, whatever its type; everything else is passed on. They end with the
daemon; until the next one is there, names do not resolve (connections that are open go on).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from dataclasses import dataclass, field
from typing import Any

from corral.kit.tasks import Tasks
from corral.linux.namespaces import in_netns
from corral.networks.dns.directory import Directory, View, resolve
from corral.networks.dns.door import Door
from corral.networks.dns.kept import Kept
from corral.networks.dns.upstream import HostServers, Upstream, forward
from corral.networks.dns.wire import (
    AAAA,
    FORMERR,
    LARGEST,
    NOERROR,
    NOTIMP,
    SERVFAIL,
    A,
    Malformed,
    Query,
    answer,
    parse_query,
    refusal,
)

log = logging.getLogger("corral")
Sender = tuple[Any, ...]

_AT_ONCE = 64  # datagrams taken in one go, so that one busy container does not hold up the rest
_PASSED_ON = 256  # questions that one container may have under way
_IDLE = 10.0  # seconds that a TCP connection may be silent


@dataclass
class Asking:
    """How a container's questions are dealt with. `outward`: the host may ask others in its name.

    `dotted`: names without a dot are not passed on.
    """

    view: View = field(default_factory=View)
    upstream: Upstream = field(default_factory=Upstream)
    outward: bool = True
    dotted: bool = False


class NameServer:
    """One container's. `netns` is a descriptor of its network, and is the server's to close."""

    def __init__(self, door: Door, netns: int, asking: Asking, directory: Directory, host: HostServers) -> None:
        self.asking = asking
        self._door, self._netns = door, netns
        self._directory, self._host = directory, host
        self._tasks = Tasks()
        self._kept = Kept()
        self._turn = 0
        self._under_way = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(door.udp, self._datagrams)
        self._loop.add_reader(door.tcp, self._connection)

    async def close(self) -> None:
        self._loop.remove_reader(self._door.udp)
        self._loop.remove_reader(self._door.tcp)
        self._door.close()
        await self._tasks.close()
        os.close(self._netns)

    # UDP

    def _datagrams(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, sender = self._door.udp.recvfrom(LARGEST)
            except OSError:  # nothing more
                return
            self._datagram(data, sender)

    def _datagram(self, data: bytes, sender: Sender) -> None:
        known = self.answer(data, tcp=False)
        if isinstance(known, bytes):
            self._send(known, sender)
        elif self._under_way >= _PASSED_ON:
            self._send(answer(known, code=SERVFAIL), sender)
        else:
            self._under_way += 1
            self._tasks.start("pass a question on", self._pass_on(known, data, sender))

    async def _pass_on(self, query: Query, data: bytes, sender: Sender) -> None:
        try:
            self._send(await self._ask(query, data, tcp=False), sender)
        finally:
            self._under_way -= 1

    def _send(self, data: bytes, sender: Sender) -> None:
        with contextlib.suppress(OSError):  # it has gone, or its buffer is full: datagrams may be lost
            if data:
                self._door.udp.sendto(data, sender)

    # TCP

    def _connection(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._door.tcp.accept()
            client.setblocking(False)
            if self._under_way >= _PASSED_ON:
                client.close()
                return
            self._under_way += 1
            self._tasks.start("answer over TCP", self._serve(client))

    async def _serve(self, client: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=client)
            try:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    while True:
                        async with asyncio.timeout(_IDLE):
                            length = int.from_bytes(await reader.readexactly(2), "big")
                            data = await reader.readexactly(length)
                        known = self.answer(data, tcp=True)
                        reply = known if isinstance(known, bytes) else await self._ask(known, data, tcp=True)
                        if not reply:
                            return
                        writer.write(len(reply).to_bytes(2, "big") + reply)
                        await writer.drain()
            finally:
                writer.close()
        finally:
            self._under_way -= 1

    # Both

    def answer(self, data: bytes, *, tcp: bool) -> bytes | Query:
        """The answer, or the question that is to be passed on."""
        of = (self._directory.version, self.asking, tcp)
        return self._kept.find(of, data) or self._answer(data, of, tcp=tcp)

    def _answer(self, data: bytes, of: object, *, tcp: bool) -> bytes | Query:
        try:
            query = parse_query(data)
        except Malformed:
            return refusal(data, FORMERR)
        if not query.is_standard:
            return answer(query, code=NOTIMP)
        self._turn += 1
        asking = self.asking
        records = resolve(self._directory, asking.view, query.name, query.type, self._turn)
        if records is not None:
            reply = answer(query, records, NOERROR, LARGEST if tcp else query.size)
            if len(records) < 2:  # several take turns
                self._kept.keep(of, data, reply)
            return reply
        if asking.dotted and query.type in (A, AAAA) and "." not in query.name:
            return answer(query)
        return query

    async def _ask(self, query: Query, data: bytes, *, tcp: bool) -> bytes:
        upstream = self.asking.upstream
        if upstream.inside:
            reply = await forward(query, data, upstream.servers, self._inside, tcp=tcp, port=upstream.port)
        elif self.asking.outward:
            servers = upstream.servers or self._host.now()
            reply = await forward(query, data, servers, _outside, tcp=tcp, port=upstream.port)
        else:
            reply = b""
        return reply or answer(query, code=SERVFAIL)

    def _inside(self, family: int, kind: int) -> socket.socket:
        return in_netns(self._netns, lambda: _outside(family, kind))


def _outside(family: int, kind: int) -> socket.socket:
    return socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
