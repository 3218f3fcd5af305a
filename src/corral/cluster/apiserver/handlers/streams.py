"""The subresources of pods that are streams: log, exec, attach, portforward."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.options import DeleteOptions
from corral.cluster.apiserver.streaming import negotiation
from corral.cluster.apiserver.streaming.forwarding import SocketForwarding, SpdyForwarding
from corral.cluster.apiserver.streaming.options import ProcessOptions, forwarded_ports, log_options, process_options
from corral.cluster.apiserver.streaming.process import Start, serve
from corral.cluster.apiserver.streaming.socket_console import LONGEST, SocketConsole
from corral.cluster.apiserver.streaming.socket_log import send_log
from corral.cluster.apiserver.streaming.spdy_console import SpdyConsole
from corral.cluster.apiserver.streaming.timed import Timed
from corral.cluster.client.nodes import Connection, NodeAccess, Streams
from corral.errors import InvalidInput
from corral.http.message import Answer, Hijack, Request, Response, StreamResponse
from corral.http.query import Query
from corral.http.stream import Stream
from corral.http.websocket import WebSocket, accept, protocols_of
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import StatusError, bad_request

SILENT: Final = Response(204)
LOG_HEADERS: Final = {"Content-Type": "text/plain", "Cache-Control": "no-cache, private"}

Run = Callable[[Timed], Awaitable[None]]


class PodStreams:
    """`nodes`: by name, those whose pods can be asked. It may change while the server runs."""

    def __init__(self, core: Core, nodes: Mapping[str, NodeAccess], now: Callable[[], float]) -> None:
        self._core, self._nodes, self._now = core, nodes, now

    # Logs

    async def log(self, call: Call, target: Target) -> Answer:
        """Text as it is written; with `follow` until the container has ended, or the client left. Through a web socket
        for who asks for one."""
        request = call.request
        if not negotiation.wants_socket(request):
            return await self.log_of(target, request.query)
        protocol = negotiation.socket_protocol(request, negotiation.LOG_SOCKET)
        headers = socket_headers(request, protocol)
        pieces = await self._pieces(target, request.query)
        return SILENT if pieces is None else hijack(headers, lambda wire: send_log(wire, protocol, pieces))

    async def log_of(self, target: Target, query: Query) -> Answer:
        pieces = await self._pieces(target, query)
        return SILENT if pieces is None else StreamResponse(pieces, 200, LOG_HEADERS)

    async def _pieces(self, target: Target, query: Query) -> AsyncIterator[bytes] | None:
        """None for a pod without a node: it has not said anything yet.

        `insecureSkipTLSVerifyBackend` says nothing here: there is no connection to the node to secure.
        """
        pod = (await self._core.need(target)).object()
        options = log_options(query, pod, self._now())
        return self._access(pod).logs(pod, options) if pod["spec"].get("nodeName") else None

    # Processes

    async def exec(self, call: Call, target: Target) -> Answer:
        pod, options = await self._asked(call, target, "PodExecOptions")
        access = self._access(pod)

        async def start() -> Streams:
            wanted = {key: getattr(options, key) for key in ("stdin", "stdout", "stderr", "tty")}
            return await access.exec(pod, options.container, options.command, **wanted)

        access.check_running(pod, options.container)
        return self._process(call.request, options, start)

    async def attach(self, call: Call, target: Target) -> Answer:
        pod, options = await self._asked(call, target, "PodAttachOptions")
        access = self._access(pod)

        async def start() -> Streams:
            wanted = {key: getattr(options, key) for key in ("stdin", "stdout", "stderr", "tty")}
            return await access.attach(pod, options.container, **wanted)

        access.check_running(pod, options.container)
        return self._process(call.request, options, start)

    async def _asked(self, call: Call, target: Target, kind: str) -> tuple[Object, ProcessOptions]:
        pod = (await self._core.need(target)).object()
        check_upgrade(call)
        options = process_options(call.request.query, pod, exec=kind == "PodExecOptions")
        await self.admit(call, target, options.shown(kind))
        return pod, options

    @staticmethod
    def _process(request: Request, options: ProcessOptions, start: Start) -> Hijack:
        if negotiation.wants_socket(request):
            protocol = negotiation.socket_protocol(request, negotiation.PROCESS_SOCKET)
            headers = socket_headers(request, protocol)
            return hijack(headers, lambda wire: serve(SocketConsole(wire, protocol, options), wire, start))
        protocol, headers = negotiation.spdy_headers(request, negotiation.PROCESS_SPDY)
        return hijack(headers, lambda wire: serve(SpdyConsole(wire, protocol, options), wire, start))

    # Ports

    async def forward(self, call: Call, target: Target) -> Answer:
        request, pod = call.request, (await self._core.need(target)).object()
        check_upgrade(call)
        await self.admit(call, target, {"kind": "PodPortForwardOptions", "apiVersion": "v1"})
        access = self._access(pod)

        async def connect(port: int) -> Connection:
            return await access.connect(pod, port)

        if not negotiation.wants_socket(request):
            _, headers = negotiation.spdy_headers(request, (negotiation.FORWARD_SPDY,))
            return hijack(headers, lambda wire: SpdyForwarding(wire, pod, connect).run(wire))
        if negotiation.FORWARD_TUNNEL in protocols_of(request):
            headers = socket_headers(request, negotiation.FORWARD_TUNNEL)
            return hijack(headers, lambda wire: _through_socket(wire, pod, connect))
        ports = forwarded_ports(request.query)
        protocol = negotiation.socket_protocol(request, negotiation.FORWARD_SOCKET)
        headers = socket_headers(request, protocol)
        return hijack(headers, lambda wire: SocketForwarding(wire, protocol, ports, pod, connect).run(wire))

    # All of them

    def _access(self, pod: Object) -> NodeAccess:
        """400 for a pod without a node, 501 for one of a node that this server cannot ask."""
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
        if not node:
            raise bad_request(f"pod {name} does not have a host assigned")
        access = self._nodes.get(node)
        if access is None:
            text = (
                f"pod {name} is on node {node}, which this server cannot ask: streams are served of its own node only"
            )
            raise StatusError(501, "NotImplemented", text)
        return access

    async def admit(self, call: Call, target: Target, options: dict[str, Any]) -> None:
        """Asks admission, which sees what was asked for as the object. StatusError."""
        admission = self._core.admission(call.caller, target, "CONNECT", None, None, DeleteOptions())
        admission.options, admission.object = {}, options
        await self._core.chain.admit(admission)
        await self._core.chain.validate(admission)


def check_upgrade(call: Call) -> None:
    """400 for a request that wants to stay HTTP; 403 for who may read but not create: a GET runs things, too."""
    if not (negotiation.wants_socket(call.request) or negotiation.wants_spdy(call.request)):
        raise negotiation.upgrade_required()
    if call.info.verb == "get" and call.caller.check_create is not None:
        call.caller.check_create()


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
