"""Requests for groups that another server answers for: handed on with who asks, and answered with what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

from corral.cluster.apiserver.aggregation.services import ApiServices, identity_headers
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.webhooks.client import CallFailed, HttpsClient
from corral.http.message import Answer, StreamResponse
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import unavailable

Handle = Callable[[Call], Awaitable[Answer]]
# What is between two neighbours, and what would tell the next server who we are instead of who asks.
DROPPED: Final = frozenset(
    "authorization connection content-length expect host keep-alive proxy-authorization te trailer transfer-encoding "
    "upgrade x-remote-user x-remote-group x-remote-uid impersonate-user impersonate-group impersonate-uid".split()
)
NOT_ANSWERED: Final = frozenset("connection content-length keep-alive trailer transfer-encoding upgrade".split())


class Aggregator:
    """`resources` and `others` take the places of those that they are made from."""

    def __init__(self, services: ApiServices, client: HttpsClient, resources: Handle, others: Handle) -> None:
        self._services, self._client = services, client
        self._resources, self._others = resources, others

    async def resources(self, call: Call) -> Answer:
        service = self._services.remote(call.info.group, call.info.version)
        return await (self._hand_on(call, service) if service is not None else self._resources(call))

    async def others(self, call: Call) -> Answer:
        parts = call.request.path.strip("/").split("/")
        if parts[:2] == ["openapi", "v3"] and "/".join(parts[2:]) in self._services.urls():
            parts = parts[2:]
        service = self._services.remote(parts[1], parts[2]) if len(parts) >= 3 and parts[0] == "apis" else None
        return await (self._hand_on(call, service) if service is not None else self._others(call))

    async def _hand_on(self, call: Call, service: Object) -> Answer:
        """Raises 503."""
        if not self._services.available(service):
            raise unavailable("service unavailable")
        request, body = call.request, await call.read()
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name not in DROPPED and not name.startswith(("x-remote-extra-", "impersonate-extra-"))
        ]
        headers += [("X-Forwarded-For", request.remote), ("Connection", "close"), *identity_headers(call.user)]
        query = urlencode(request.query.values, doseq=True)
        path = f"{request.raw_path}?{query}" if query else request.raw_path
        try:
            place = self._services.place(service)
            reply, chunks = await self._client.stream(place, request.method, path, body, headers)
        except CallFailed as error:
            raise unavailable(f"error trying to reach service: {error.message}") from None
        kept = {_title(name): value for name, value in reply.headers.items() if name not in NOT_ANSWERED}
        return StreamResponse(chunks, reply.status, kept)


def _title(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
