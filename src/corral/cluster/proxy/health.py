"""healthCheckNodePort: where a load balancer asks each node whether it has endpoints of a service."""

from __future__ import annotations

import logging
import socket

import msgspec

from corral.errors import CorralError, from_oserror
from corral.http.message import Request, Response
from corral.http.server import Server
from corral.linux.namespaces import in_netns

log = logging.getLogger("corral.proxy")


def plan_answer(namespace: str, name: str, local: int) -> Response:
    """Pure: 200 with endpoints on this node, 503 without.

    >>> answer = plan_answer("default", "web", 0)
    >>> answer.status, answer.headers["X-Load-Balancing-Endpoint-Weight"]
    (503, '0')
    """
    body = {
        "service": {"namespace": namespace, "name": name},
        "localEndpoints": local,
        "serviceProxyHealthy": True,
    }
    headers = {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": str(local),
    }
    return Response(200 if local else 503, headers, msgspec.json.encode(body))


class HealthPort:
    """One service's."""

    def __init__(self, key: str, port: int) -> None:
        self.port = port
        self.local = 0
        self._namespace, _, self._name = key.partition("/")
        self._server = Server(self._handle)

    async def open(self, netns: int | None) -> None:
        """HostError when somebody else has the port."""
        await self._server.listen_socket(
            _bind(self.port) if netns is None else in_netns(netns, lambda: _bind(self.port))
        )

    async def close(self) -> None:
        await self._server.close(0)

    async def _handle(self, request: Request) -> Response:
        return plan_answer(self._namespace, self._name, self.local)


def _bind(port: int) -> socket.socket:
    """At all addresses of both families, where the kernel has both."""
    last: OSError | None = None
    for family, host in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
        try:
            listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        except OSError as error:
            last = error
            continue
        try:
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
        except OSError as error:
            listening.close()
            last = error
            continue
        return listening
    raise from_oserror(f"listen for health checks on port {port}", last or OSError("no address family"))


class HealthPorts:
    """All of a node's: kept as the services say."""

    def __init__(self, netns: int | None) -> None:
        self._netns = netns
        self._ports: dict[str, HealthPort] = {}

    async def put(self, key: str, port: int, local: int) -> None:
        """What a service says now; port 0: it has none."""
        known = self._ports.get(key)
        if known is not None and known.port != port:
            del self._ports[key]
            await known.close()
            known = None
        if known is None and port:
            known = HealthPort(key, port)
            try:
                await known.open(self._netns)
            except CorralError as error:  # the service works without; its load balancer takes this node for ill
                log.error("service %s: %s", key, error.message)
                return
            self._ports[key] = known
        if known is not None:
            known.local = local

    async def close(self) -> None:
        for port in self._ports.values():
            await port.close()
        self._ports.clear()
