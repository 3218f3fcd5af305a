"""The kubelets of other machines: where each is, and one exchange with it over TLS, in which both prove who they are.

Follows upstream's kubelet client (pkg/kubelet/client): the server shows a certificate of its own, by which the kubelet
asks whether it may. The kubelet's must be signed by the cluster, and bear the node's name.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.proxying.dialing import dial
from corral.cluster.apiserver.proxying.exchange import Exchange
from corral.cluster.apiserver.proxying.heads import request_head
from corral.cluster.apiserver.proxying.secured import Secured
from corral.cluster.apiserver.proxying.target import Place
from corral.cluster.client.https.remote import make_context
from corral.cluster.client.nodes import Connection
from corral.errors import RemoteFailed
from corral.http.message import Request
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import StatusError, bad_request, internal, not_found, unavailable

Dial = Callable[[str, int], Awaitable[Connection]]
Failure = Callable[[str], StatusError]  # by the reason
PREFERRED: Final = ("InternalIP", "ExternalIP", "Hostname")
LONGEST_ERROR: Final = 4096  # bytes of what a kubelet says of a failure


def kubelet_place(node: Object) -> Place:
    """Pure: where a node's kubelet listens, by what the node says of itself. 503 where it listens nowhere.

    >>> status = {"addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": "10.0.0.7"}],
    ...           "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}
    >>> kubelet_place({"metadata": {"name": "a"}, "status": status})
    Place(tls=True, address='10.0.0.7', port=10250)
    """
    name, status = node["metadata"]["name"], node.get("status") or {}
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or 0
    addresses = {one["type"]: one["address"] for one in reversed(status.get("addresses") or ())}
    address = next((addresses[kind] for kind in PREFERRED if kind in addresses), "")
    if not address:
        raise unavailable(f"no preferred addresses found for node {name}; known addresses: {sorted(addresses)}")
    if not port:
        raise unavailable(f"the kubelet of node {name} does not listen (yet)")
    return Place(True, address, port)


def to_error(status: int, text: str) -> StatusError:
    """Pure: what a kubelet answered in error, as clients of the API are told it.

    >>> to_error(500, 'container not found ("a")').message, to_error(400, "no").reason
    ('Internal error occurred: container not found ("a")', 'BadRequest')
    """
    match status:
        case 400:
            return bad_request(text)
        case 500:
            return internal(text)
        case 404:
            return StatusError(404, "NotFound", f"the server could not find the requested resource: {text}")
    if status == 401 or text.startswith("Forbidden (user="):  # it is this server that may not
        return internal(f"Authorization error: {text}")
    return StatusError(status, "Forbidden" if status == 403 else "", text)


def unreachable(reason: str) -> StatusError:
    return unavailable(f"error trying to reach service: {reason}")


def describe_dial(error: OSError) -> str:
    """Pure: why there is no connection, in Go's words.

    >>> describe_dial(ConnectionRefusedError(111, "Connection refused")), describe_dial(TimeoutError())
    ('connect: connection refused', 'i/o timeout')
    """
    return f"connect: {error.strerror.lower()}" if error.strerror else str(error).lower() or "i/o timeout"


class Kubelets:
    """`authority` (PEM) has signed the kubelets' certificates; `identity`: the file of this server's own for them."""

    def __init__(self, lookup: Lookup, authority: str, identity: Path, dial: Dial = dial) -> None:
        self._lookup, self._authority, self._identity, self._dial = lookup, authority, identity, dial

    def context(self) -> ssl.SSLContext:
        """Shows this server's certificate, as it is now. HostError."""
        return make_context(self._authority, str(self._identity))

    def place(self, node: str) -> Place:
        """404, 503."""
        found = self._lookup.get("", "nodes", "", node)
        if found is None:
            raise not_found("nodes", node)
        return kubelet_place(found)

    async def begin(
        self, node: str, head: bytes, request: Request | None, failure: Failure = unreachable
    ) -> tuple[Exchange, Connection]:
        """Sends a request and waits for the head of the answer. 404, 503, `failure` where nobody answers."""
        place = self.place(node)
        try:
            below = await self._dial(place.address, place.port)
        except OSError as error:
            raise failure(f"dial tcp {place.host}: {describe_dial(error)}") from None
        try:
            connection = await Secured.open(below, self.context(), node)
            exchange = Exchange(connection)
            await exchange.begin(head, request)
        except (OSError, RemoteFailed) as error:
            await below.close()
            raise failure(f"{place.host}: {error}") from None
        except BaseException:
            await below.close()
            raise
        return exchange, connection

    async def ask(self, node: str, target: str, request: Request | None = None) -> tuple[Exchange, Connection]:
        """A GET of `target`, or `request` (one for a stream) with another target. StatusError: also what the kubelet
        answers in error."""
        headers = {} if request is None else request.headers
        upgrade = request is not None and "upgrade" in request.headers
        method = request.method if request is not None and upgrade else "GET"
        host = self.place(node).host
        head = request_head(method, target, headers, host=host, upgrade=upgrade)
        doing = "error dialing backend" if upgrade else f'Get "https://{host}{target}"'
        exchange, connection = await self.begin(
            node, head, None, lambda reason: StatusError(500, "", f"{doing}: {reason}")
        )
        if exchange.status == (101 if upgrade else 200):
            return exchange, connection
        try:
            text = await _text(exchange)
            # Of a stream, a kubelet's failure is passed on as it is; of anything else, it is an error in here.
            raise StatusError(500, "", text) if upgrade and exchange.status == 500 else to_error(exchange.status, text)
        finally:
            await exchange.aclose()

    async def read(self, node: str, target: str) -> bytes:
        """The whole answer. StatusError."""
        exchange, _ = await self.ask(node, target)
        try:
            return b"".join([piece async for piece in exchange])
        except (OSError, RemoteFailed) as error:
            raise unreachable(f"node {node}: {error}") from None
        finally:
            await exchange.aclose()


async def _text(exchange: Exchange) -> str:
    found = b""
    try:
        async for piece in exchange:
            found += piece
            if len(found) > LONGEST_ERROR:
                break
    except (OSError, RemoteFailed):
        pass  # what has come says enough
    return found[:LONGEST_ERROR].decode(errors="replace").strip()
