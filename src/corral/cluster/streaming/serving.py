"""Requests for streams: from a request and what is at the other end to an answer that leaves HTTP.

The API server answers so for the pods of its own process, and a kubelet for those of its node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from corral.cluster.client.nodes import Connection
from corral.cluster.streaming import negotiation
from corral.cluster.streaming.forwarding import Connect, SocketForwarding, SpdyForwarding
from corral.cluster.streaming.options import ProcessOptions
from corral.cluster.streaming.process import Start, serve
from corral.cluster.streaming.socket_console import LONGEST, SocketConsole
from corral.cluster.streaming.spdy_console import SpdyConsole
from corral.cluster.streaming.timed import Timed
from corral.errors import InvalidInput
from corral.http.message import Hijack, Request
from corral.http.stream import Stream
from corral.http.websocket import WebSocket, accept, protocols_of
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import bad_request

Run = Callable[[Timed], Awaitable[None]]


def check_upgrade(request: Request) -> None:
    """400 for a request that wants to stay HTTP."""
    if not (negotiation.wants_socket(request) or negotiation.wants_spdy(request)):
        raise negotiation.upgrade_required()


def process_answer(request: Request, options: ProcessOptions, start: Start) -> Hijack:
    """Of exec and attach. `start` is called when the client's streams are there. 400, 403."""
    if negotiation.wants_socket(request):
        protocol = negotiation.socket_protocol(request, negotiation.PROCESS_SOCKET)
        headers = socket_headers(request, protocol)
        return hijack(headers, lambda wire: serve(SocketConsole(wire, protocol, options), wire, start))
    protocol, headers = negotiation.spdy_headers(request, negotiation.PROCESS_SPDY)
    return hijack(headers, lambda wire: serve(SpdyConsole(wire, protocol, options), wire, start))


def forward_answer(request: Request, ports: Callable[[], list[int]], pod: Object, connect: Connect) -> Hijack:
    """Of portforward. `ports`: those that channels are asked for, which SPDY names later. 400, 403."""
    if not negotiation.wants_socket(request):
        _, headers = negotiation.spdy_headers(request, (negotiation.FORWARD_SPDY,))
        return hijack(headers, lambda wire: SpdyForwarding(wire, pod, connect).run(wire))
    if negotiation.FORWARD_TUNNEL in protocols_of(request):
        headers = socket_headers(request, negotiation.FORWARD_TUNNEL)
        return hijack(headers, lambda wire: _through_socket(wire, pod, connect))
    wanted = ports()
    protocol = negotiation.socket_protocol(request, negotiation.FORWARD_SOCKET)
    headers = socket_headers(request, protocol)
    return hijack(headers, lambda wire: SocketForwarding(wire, protocol, wanted, pod, connect).run(wire))


def socket_headers(request: Request, protocol: str) -> dict[str, str]:
    """400."""
    try:
        return accept(request, protocol)
    except InvalidInput as error:
        raise bad_request(error.message) from None


def hijack(headers: dict[str, str], run: Run) -> Hijack:
    async def own(stream: Stream) -> None:
        await run(Timed(stream))

    return Hijack(own, 101, headers)


async def _through_socket(wire: Timed, pod: Object, connect: Callable[[int], Awaitable[Connection]]) -> None:
    """SPDY in the binary messages of a web socket."""
    socket = WebSocket(wire, limit=LONGEST)
    await SpdyForwarding(socket, pod, connect).run(wire)
    if not wire.gone.is_set():
        await socket.close()
