"""HTTP to pods, services and nodes through the server: the subresource `proxy`."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final

from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.handlers.streams import PodStreams, switched
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.proxying.dialing import dial
from corral.cluster.apiserver.proxying.exchange import Exchange
from corral.cluster.apiserver.proxying.heads import answer_headers, request_head
from corral.cluster.apiserver.proxying.kubelets import Kubelets, describe_dial, kubelet_place, unreachable
from corral.cluster.apiserver.proxying.links import Links, Page, is_page
from corral.cluster.apiserver.proxying.secured import Secured
from corral.cluster.apiserver.proxying.target import (
    Place,
    check_address,
    no_endpoints,
    number,
    pod_place,
    service_places,
    service_port,
    split_name,
)
from corral.cluster.client.nodes import Connection
from corral.errors import RemoteFailed
from corral.http.message import Answer, Request, Response, StreamResponse
from corral.model.kubernetes.labels import SERVICE_NAME

Dial = Callable[[str, int], Awaitable[Connection]]
SLICES: Final = ("discovery.k8s.io", "endpointslices")
TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


class Proxies:
    """`dial` connects to an address of the cluster: OSError."""

    def __init__(self, core: Core, streams: PodStreams, kubelets: Kubelets, dial: Dial = dial) -> None:
        self._core, self._streams, self._kubelets, self._dial = core, streams, kubelets, dial

    async def pod(self, call: Call, target: Target) -> Answer:
        named = split_name(target.name, "pod")
        pod = await self._core.need(Target(target.served, target.namespace, named.name))
        await self._admit(call, target, "PodProxyOptions")
        return await self._pass(call, pod_place(pod.object(), named))

    async def service(self, call: Call, target: Target) -> Answer:
        named = split_name(target.name, "service")
        service = await self._core.need(Target(target.served, target.namespace, named.name))
        await self._admit(call, target, "ServiceProxyOptions")
        port = service_port(service.object(), named)
        slices = [
            one
            for one in self._core.caches.list(*SLICES, target.namespace)
            if (one["metadata"].get("labels") or {}).get(SERVICE_NAME) == named.name
        ]
        places = service_places(slices, port, tls=named.scheme == "https")
        if not places:
            raise no_endpoints(named.name)
        place = random.choice(places)
        check_address(place.address)
        return await self._pass(call, place)

    async def node(self, call: Call, target: Target) -> Answer:
        """The node's kubelet, with this server's own certificate; or, with another port, whoever listens there."""
        named = split_name(target.name, "node")
        node = await self._core.need(Target(target.served, "", named.name))
        await self._admit(call, target, "NodeProxyOptions")
        place = kubelet_place(node.object())
        if named.port in ("", str(place.port)):
            return await self._pass(call, place, kubelet=named.name)
        check_address(place.address)
        return await self._pass(call, Place(named.scheme == "https", place.address, number(named)))

    async def _admit(self, call: Call, target: Target, kind: str) -> None:
        path = "/".join(call.info.rest)
        await self._streams.admit(call, target, {"kind": kind, "apiVersion": "v1", **({"path": path} if path else {})})

    # The way there and back

    async def _pass(self, call: Call, place: Place, *, kubelet: str = "") -> Answer:
        """`kubelet`: the node whose kubelet is there, "" for anybody else."""
        request = call.request
        prefix, path = split_path(request.raw_path, namespaced=bool(call.info.namespace))
        query = f"?{request.raw_query}" if request.raw_query else ""
        if not path and request.method in ("GET", "HEAD"):  # links of the page are relative to a folder
            return Response(301, {"Location": f"{request.raw_path}/{query}"})
        upgrade = "upgrade" in request.header("connection").lower() and bool(request.header("upgrade"))
        head = request_head(
            request.method,
            (path or "/") + query,
            request.headers,
            host=place.host,
            added=forwarded(request).items(),
            upgrade=upgrade,
        )
        if kubelet:
            exchange, connection = await self._kubelets.begin(kubelet, head, request)
        else:
            exchange, connection = await self._begin(place, head, request)
        hosts = (place.host, place.address)
        if exchange.status == 101:
            return switched(exchange, connection, prefix, hosts)
        headers = answer_headers(exchange.headers, prefix=prefix, hosts=hosts)
        if not exchange.has_body(request.method):
            await exchange.aclose()
            return Response(exchange.status, headers)
        if not is_page(headers):
            return StreamResponse(exchange, exchange.status, headers)
        coding = next((value for name, value in headers.items() if name.lower() == "content-encoding"), "")
        page = Page(exchange, Links(prefix, hosts), gzip=coding == "gzip")
        headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        return StreamResponse(page, exchange.status, headers)

    async def _begin(self, place: Place, head: bytes, request: Request) -> tuple[Exchange, Connection]:
        """Connects, sends the request, and waits for the head of the answer. 503."""
        try:
            connection = await self._dial(place.address, place.port)
        except OSError as error:
            raise unreachable(f"dial tcp {place.host}: {describe_dial(error)}") from None
        try:
            if place.tls:
                connection = await Secured.open(connection)
            exchange = Exchange(connection)
            await exchange.begin(head, request)
        except (OSError, RemoteFailed) as error:
            await connection.close()
            raise unreachable(str(error)) from None
        except BaseException:
            await connection.close()
            raise
        return exchange, connection


def split_path(raw: str, *, namespaced: bool) -> tuple[str, str]:
    """Pure: the proxy's own path, and what is asked for behind it, as it came.

    >>> split_path("/api/v1/namespaces/d/pods/web:80/proxy/a%2Fb/", namespaced=True)
    ('/api/v1/namespaces/d/pods/web:80/proxy', '/a%2Fb/')
    """
    parts = raw.split("/")
    count = 8 if namespaced else 6
    rest = "/".join(parts[count:])
    return "/".join(parts[:count]), f"/{rest}" if len(parts) > count else ""


def forwarded(request: Request) -> dict[str, str]:
    """Pure: what the pod learns of the way that the request came."""
    found = {
        "X-Forwarded-Host": request.header("host"),
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Uri": request.raw_path,
    }
    return {"X-Forwarded-For": request.remote, **found} if request.remote else found
