"""Dns: the name server of a cluster, and its Service.

    dns = Dns(client, informers, DnsSettings("10.64.0.1", "10.96.0.10"))
    await dns.open()          # from here on it answers
    await dns.run()           # keeps its Service in the API, until it is cancelled
    await dns.close()

It listens on an address of the instance's own, and the Service kube-dns has that as its endpoint: so pods reach it at
the usual cluster IP through the same rules as any service, and whoever looks at the Service sees where it leads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from corral.cluster.client import meta
from corral.cluster.client.builtin import ENDPOINT_SLICES, NAMESPACES, SERVICES
from corral.cluster.client.informers import Informers
from corral.cluster.client.members import Members, Place
from corral.cluster.client.protocol import Client, Object
from corral.cluster.dns.cache import LONGEST, Cache
from corral.cluster.dns.index import Found, Index, resolve
from corral.cluster.dns.messages import encode, parse_addresses, parse_ttl
from corral.cluster.dns.records import Entry, plan_names
from corral.cluster.dns.service import keep_service
from corral.errors import from_oserror
from corral.kit.backoff import exponential
from corral.linux.namespaces import in_netns
from corral.model.kubernetes.labels import SERVICE_NAME
from corral.networks.dns.door import Door
from corral.networks.dns.kept import Kept
from corral.networks.dns.listening import Listening
from corral.networks.dns.upstream import HostServers, forward
from corral.networks.dns.wire import (
    FORMERR,
    LARGEST,
    NOTIMP,
    SERVFAIL,
    Malformed,
    Query,
    answer,
    ask,
    parse_query,
    refusal,
)

log = logging.getLogger("corral.dns")

_UNDER_WAY = 2048


@dataclass(frozen=True)
class DnsSettings:
    """`address`: where it listens, on `port` or, when that is taken, on a free one; `cluster_ip`: the Service's.

    `servers` are asked for names of others, on `upstream_port`; none: the host's. `netns` as in ProxySettings.
    """

    address: str
    cluster_ip: str
    domain: str = "cluster.local"
    port: int = 53
    servers: tuple[str, ...] = ()
    upstream_port: int = 53
    netns: int | None = None


class Dns:
    def __init__(self, client: Client, informers: Informers, settings: DnsSettings) -> None:
        self.index = Index(settings.domain)
        self.port = 0
        self._client, self._settings = client, settings
        self._services, self._slices = informers.of(SERVICES), informers.of(ENDPOINT_SLICES)
        self._slices.add_index("dns", lambda piece: [_service_key(piece)])
        self._needs = [self._services, self._slices, informers.of(NAMESPACES)]
        self._answering: _Answering | None = None
        self._services.on_change(lambda old, new: self._service_changed(meta.key(new or old or {})))
        self._slices.on_change(self._slice_changed)
        informers.of(NAMESPACES).on_change(self._namespace_changed)

    async def open(self) -> int:
        """Listens; the port. HostError."""
        settings = self._settings
        door = (
            _open_door(settings) if settings.netns is None else in_netns(settings.netns, lambda: _open_door(settings))
        )
        self.port = door.udp.getsockname()[1]
        self._answering = _Answering(door, self.index, settings, self._is_ready)
        return self.port

    async def run(self, members: Members | None = None) -> None:
        """Until it is cancelled. `members`: the cluster's name servers, where there may be several."""
        changed = asyncio.Event()
        if members is not None:
            members.on_change(changed.set)
            await members.joined.wait()
        failures = 0
        while True:
            places = [Place(self._settings.address, self.port)] if members is None else members.places()
            done = await keep_service(self._client, self._settings.cluster_ip, places)
            pause = None if done else exponential(failures, 100, 10_000) / 1000
            failures = 0 if done else failures + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await changed.wait()
            changed.clear()

    async def close(self) -> None:
        if self._answering is not None:
            await self._answering.close()
            self._answering = None

    def _is_ready(self) -> bool:
        """Before everything is known "there is no such name" would be a lie."""
        return all(informer.synced.is_set() for informer in self._needs)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for key in {_service_key(piece) for piece in (old, new) if piece is not None}:
            service = self._services.get(key)
            if service is not None and service["spec"].get("clusterIP") == "None":
                self._service_changed(key)

    def _service_changed(self, key: str) -> None:
        service = self._services.get(key)
        if service is None:
            self.index.put(key, None)
        else:
            self.index.put(key, plan_names(service, self._slices.indexed("dns", key), self.index.domain))

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        self.index.version += 1
        if new is not None:
            self.index.namespaces.add(meta.name(new))
        elif old is not None:
            self.index.namespaces.discard(meta.name(old))


def _service_key(piece: Object) -> str:
    return f"{meta.namespace(piece)}/{(piece['metadata'].get('labels') or {}).get(SERVICE_NAME, '')}"


class _Answering(Listening):
    def __init__(self, door: Door, index: Index, settings: DnsSettings, is_ready: Callable[[], bool]) -> None:
        super().__init__(door, _UNDER_WAY)
        self._index, self._settings, self._is_ready = index, settings, is_ready
        self._host = HostServers()
        self._kept, self._cache = Kept(), Cache()
        self._silent: dict[str, float] = {}
        self._turn = 0

    def answer(self, data: bytes, *, tcp: bool) -> bytes | Query:
        of = (self._index.version, tcp)
        return self._kept.find(of, data) or self._cache.find(data, time.monotonic()) or self._find(data, of, tcp=tcp)

    def _find(self, data: bytes, of: object, *, tcp: bool) -> bytes | Query:
        try:
            query = parse_query(data)
        except Malformed:
            return refusal(data, FORMERR)
        if not query.is_standard:
            return answer(query, code=NOTIMP)
        if not self._is_ready():
            return answer(query, code=SERVFAIL)
        self._turn += 1
        found = resolve(self._index, query.name, query.type, self._turn)
        if found is None or found.elsewhere:
            return query
        reply = self._encode(query, found, tcp=tcp)
        if len(found.answers) < 2:  # several take turns
            self._kept.keep(of, data, reply)
        return reply

    def _encode(self, query: Query, found: Found, *, tcp: bool) -> bytes:
        return encode(query, found, self._index.domain, self._index.authority, LARGEST if tcp else query.size)

    async def ask(self, query: Query, data: bytes, *, tcp: bool) -> bytes:
        found = resolve(self._index, query.name, query.type)
        if found is not None:  # an alias for a name of others
            others = await self._pass_on_name(found.elsewhere, query.type)
            return self._encode(query, found._replace(answers=found.answers + others), tcp=tcp)
        reply = await self._forward(query, data, tcp=tcp)
        with contextlib.suppress(Malformed):
            self._cache.keep(data, reply, parse_ttl(reply, LONGEST), time.monotonic())
        return reply or answer(query, code=SERVFAIL)

    async def _pass_on_name(self, name: str, kind: int) -> list[tuple[str, Entry]]:
        question = ask(name, kind, size=1232)
        reply = await self._forward(parse_query(question), question, tcp=False)
        try:
            return [(name, entry) for entry in parse_addresses(reply)] if reply else []
        except Malformed:
            return []

    async def _forward(self, query: Query, data: bytes, *, tcp: bool) -> bytes:
        servers = self._settings.servers or self._host.now()
        return await forward(
            query, data, servers, self._socket, self._silent, tcp=tcp, port=self._settings.upstream_port
        )

    def _socket(self, family: int, kind: int) -> socket.socket:
        def make() -> socket.socket:
            return socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

        return make() if self._settings.netns is None else in_netns(self._settings.netns, make)


def _open_door(settings: DnsSettings) -> Door:
    """Both sockets on one port: the one that is wanted, or a free one (which may be taken for the other protocol)."""
    failure = OSError()
    for port in (settings.port, *[0] * 20):
        with ExitStack() as undo:
            try:
                udp = undo.enter_context(_bind(settings.address, socket.SOCK_DGRAM, port))
                tcp = undo.enter_context(_bind(settings.address, socket.SOCK_STREAM, udp.getsockname()[1]))
            except OSError as error:
                failure = error
                continue
            tcp.listen(128)
            undo.pop_all()
            return Door(udp, tcp)
    raise from_oserror(f"listen for names on {settings.address}", failure) from failure


def _bind(address: str, kind: int, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    handle = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if kind == socket.SOCK_STREAM:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        handle.bind((address, port))
    except OSError:
        handle.close()
        raise
    return handle
