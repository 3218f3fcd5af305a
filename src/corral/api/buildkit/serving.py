"""Serving: what the two connections of BuildKit's clients share: the sessions and the builds that are open."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from corral.api.buildkit.bridge import Bridge
from corral.api.buildkit.control import Control
from corral.api.buildkit.links import Links
from corral.api.buildkit.older import Uploads
from corral.api.buildkit.schema import message
from corral.api.buildkit.session import Sessions
from corral.api.buildkit.solving import Solves
from corral.api.buildkit.workers import worker
from corral.api.docker.system import GO_ARCH
from corral.build.builder import Builder
from corral.build.request import Built
from corral.engine.engine import Engine
from corral.http.grpc.flow import Flow
from corral.http.grpc.serving import Method, serve
from corral.http.stream import Duplex

HEALTH = "/grpc.health.v1.Health/Check"
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class BuildKit:
    """One for a daemon, made with the first connection. `tell` is told of images that were made, `pruned` of bytes
    that the disk got back; `forget` removes an image, unless it has a name or is used."""

    def __init__(
        self,
        engine: Engine,
        builder: Builder,
        tell: Callable[[Built], None],
        pruned: Callable[[int], None],
        forget: Callable[[str], Awaitable[None]],
    ) -> None:
        self.engine, self.builder, self.tell, self.pruned, self.forget = engine, builder, tell, pruned, forget
        self.sessions, self.solves, self.links = Sessions(), Solves(), Links(self)
        self.uploads = Uploads()

    def now(self) -> int:
        """Nanoseconds: of events that are only shown."""
        return time.time_ns()

    def worker(self) -> dict[str, Any]:
        host, builder = self.engine.host, self.builder
        architecture = GO_ARCH.get(host.architecture, host.architecture)
        return worker(host.id, architecture, builder.gateway, builder.limit)

    async def serve(self, wire: Duplex) -> None:
        """A client that calls us."""
        methods: Mapping[str, Method] = {
            **Control(self).methods(),
            **Bridge(self).methods(),
            HEALTH: _healthy,
            TRACES: _dropped,
        }
        await serve(wire, methods)


async def _healthy(flow: Flow) -> None:
    await flow.receive_one()
    await flow.send(message("HealthCheckResponse", status=1).SerializeToString())


async def _dropped(flow: Flow) -> None:
    """Spans of a client's own: nobody here collects them, and a client that sends them asks for nothing."""
    await flow.receive_one()
    await flow.send(b"")
