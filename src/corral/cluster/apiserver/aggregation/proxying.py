"""Requests for groups that another server answers for: handed on with who asks, and answered with what it answers.

What it sends comes as it is sent (watches), and a protocol that it switches to is spoken through here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from corral.cluster.apiserver.aggregation.services import ApiServices, identity_headers
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.handlers.streams import switched
from corral.cluster.apiserver.proxying.exchange import Exchange
from corral.cluster.apiserver.proxying.heads import answer_headers, request_head
from corral.cluster.apiserver.webhooks.client import CallFailed, HttpsClient, Place
from corral.cluster.client.stream import Stream
from corral.errors import RemoteFailed
from corral.http.message import Answer, Response, StreamResponse
from corral.model.kubernetes.kind import Object

Handle = Callable[[Call], Awaitable[Answer]]


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
        if not self._services.available(service):
            return unavailable("service unavailable")
        try:
            place = self._services.place(service)
        except CallFailed:
            return unavailable("service unavailable")
        try:
            exchange, connection = await self._begin(call, place)
        except (CallFailed, OSError, RemoteFailed) as error:
            return unavailable(f"error trying to reach service: {error}")
        if exchange.status == 101:
            return switched(exchange, connection, "", ())
        headers = answer_headers(exchange.headers, prefix="", hosts=())
        if not exchange.has_body(call.request.method):
            await exchange.aclose()
            return Response(exchange.status, headers)
        return StreamResponse(exchange, exchange.status, headers)

    async def _begin(self, call: Call, place: Place) -> tuple[Exchange, Stream]:
        """Connects, sends the request, and waits for the head of the answer. CallFailed, OSError, RemoteFailed."""
        request = call.request
        query = f"?{request.raw_query}" if request.raw_query else ""
        head = request_head(
            request.method,
            request.raw_path + query,
            request.headers,
            host=place.host,
            added=[("X-Forwarded-For", request.remote), *identity_headers(call.user)],
            upgrade="upgrade" in request.header("connection").lower() and bool(request.header("upgrade")),
        )
        connection = Stream(*await self._client.connect(place))
        exchange = Exchange(connection)
        try:
            await exchange.begin(head, request)
        except BaseException:
            await exchange.aclose()
            raise
        return exchange, connection


def unavailable(text: str) -> Response:
    """Pure: as upstream says it, which is no Status: clients have words of their own for a 503."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return Response(503, headers, f"{text}\n".encode())
