"""The name servers of an instance's containers: one for each that is in a network with names.

A question about a container is answered at once, whatever its type; everything else is passed on. They end with the
daemon; until the next one is there, names do not resolve (connections that are open go on).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from corral.linux.namespaces import in_netns
from corral.networks.dns.directory import Directory, View, resolve
from corral.networks.dns.door import Door
from corral.networks.dns.kept import Kept
from corral.networks.dns.listening import Listening
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

_PASSED_ON = 256  # questions that one container may have under way


@dataclass
class Asking:
    """How a container's questions are dealt with. `outward`: the host may ask others in its name.

    `dotted`: names without a dot are not passed on.
    """

    view: View = field(default_factory=View)
    upstream: Upstream = field(default_factory=Upstream)
    outward: bool = True
    dotted: bool = False


class NameServer(Listening):
    """One container's. `netns` is a descriptor of its network, and is the server's to close."""

    def __init__(self, door: Door, netns: int, asking: Asking, directory: Directory, host: HostServers) -> None:
        super().__init__(door, _PASSED_ON)
        self.asking = asking
        self._netns = netns
        self._directory, self._host = directory, host
        self._kept = Kept()
        self._silent: dict[str, float] = {}
        self._turn = 0

    async def close(self) -> None:
        await super().close()
        os.close(self._netns)

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

    async def ask(self, query: Query, data: bytes, *, tcp: bool) -> bytes:
        upstream = self.asking.upstream
        if upstream.inside:
            servers: Sequence[str] = upstream.servers
            reply = await forward(query, data, servers, self._inside, self._silent, tcp=tcp, port=upstream.port)
        elif self.asking.outward:
            servers = upstream.servers or self._host.now()
            reply = await forward(query, data, servers, _outside, self._silent, tcp=tcp, port=upstream.port)
        else:
            reply = b""
        return reply or answer(query, code=SERVFAIL)

    def _inside(self, family: int, kind: int) -> socket.socket:
        return in_netns(self._netns, lambda: _outside(family, kind))


def _outside(family: int, kind: int) -> socket.socket:
    return socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
