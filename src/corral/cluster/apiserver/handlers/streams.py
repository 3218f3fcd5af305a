"""The subresources of pods that are streams: log, exec, attach, portforward."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.options import DeleteOptions
from corral.cluster.apiserver.proxying.exchange import Exchange
from corral.cluster.apiserver.proxying.heads import answer_headers
from corral.cluster.apiserver.proxying.kubelets import Kubelets
from corral.cluster.client.nodes import Connection, NodeAccess, Streams
from corral.cluster.streaming import negotiation
from corral.cluster.streaming.forwarding import pump
from corral.cluster.streaming.options import ProcessOptions, forwarded_ports, log_options, process_options
from corral.cluster.streaming.serving import check_upgrade, forward_answer, hijack, process_answer, socket_headers
from corral.cluster.streaming.socket_log import send_log
from corral.cluster.streaming.targets import forward_target, log_target, process_target
from corral.cluster.streaming.timed import Timed
from corral.http.message import Answer, Hijack, Response, StreamResponse
from corral.http.query import Query
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import bad_request

SILENT: Final = Response(204)
LOG_HEADERS: Final = {"Content-Type": "text/plain", "Cache-Control": "no-cache, private"}


class PodStreams:
    """`nodes`: by name, those in this process. It may change while the server runs. All others are asked by
    `kubelets`, which get the client's request as it is: they speak the same protocols."""

    def __init__(
        self, core: Core, nodes: Mapping[str, NodeAccess], kubelets: Kubelets, now: Callable[[], float]
    ) -> None:
        self._core, self._nodes, self._kubelets, self._now = core, nodes, kubelets, now

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

        `insecureSkipTLSVerifyBackend` says nothing here: every kubelet has a certificate of the cluster's.
        """
        pod = (await self._core.need(target)).object()
        options = log_options(query, pod, self._now())
        if not pod["spec"].get("nodeName"):
            return None
        access = self._access(pod)
        if access is not None:
            return access.logs(pod, options)
        exchange, _ = await self._kubelets.ask(pod["spec"]["nodeName"], log_target(pod, options.container, query))
        return exchange

    # Processes

    async def exec(self, call: Call, target: Target) -> Answer:
        pod, options = await self._asked(call, target, "PodExecOptions")
        access = self._access(pod)
        if access is None:
            return await self._elsewhere(call, pod, process_target("exec", pod, options))

        async def start() -> Streams:
            wanted = {key: getattr(options, key) for key in ("stdin", "stdout", "stderr", "tty")}
            return await access.exec(pod, options.container, options.command, **wanted)

        access.check_running(pod, options.container)
        return process_answer(call.request, options, start)

    async def attach(self, call: Call, target: Target) -> Answer:
        pod, options = await self._asked(call, target, "PodAttachOptions")
        access = self._access(pod)
        if access is None:
            return await self._elsewhere(call, pod, process_target("attach", pod, options))

        async def start() -> Streams:
            wanted = {key: getattr(options, key) for key in ("stdin", "stdout", "stderr", "tty")}
            return await access.attach(pod, options.container, **wanted)

        access.check_running(pod, options.container)
        return process_answer(call.request, options, start)

    async def _asked(self, call: Call, target: Target, kind: str) -> tuple[Object, ProcessOptions]:
        pod = (await self._core.need(target)).object()
        check_connect(call)
        options = process_options(call.request.query, pod, exec=kind == "PodExecOptions")
        await self.admit(call, target, options.shown(kind))
        return pod, options

    # Ports

    async def forward(self, call: Call, target: Target) -> Answer:
        request, pod = call.request, (await self._core.need(target)).object()
        check_connect(call)
        await self.admit(call, target, {"kind": "PodPortForwardOptions", "apiVersion": "v1"})
        access = self._access(pod)
        if access is None:
            channels = negotiation.wants_socket(request) and "ports" in request.query
            ports = forwarded_ports(request.query) if channels else []
            return await self._elsewhere(call, pod, forward_target(pod, ports))

        async def connect(port: int) -> Connection:
            return await access.connect(pod, port)

        return forward_answer(request, lambda: forwarded_ports(request.query), pod, connect)

    # All of them

    def _access(self, pod: Object) -> NodeAccess | None:
        """None: the pod's node is not in this process. 400 for a pod without a node."""
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
        if not node:
            raise bad_request(f"pod {name} does not have a host assigned")
        return self._nodes.get(node)

    async def _elsewhere(self, call: Call, pod: Object, target: str) -> Answer:
        """The node's kubelet and the client agree on a protocol; then bytes go both ways. StatusError."""
        exchange, connection = await self._kubelets.ask(pod["spec"]["nodeName"], target, call.request)
        return switched(exchange, connection, "", ())

    async def admit(self, call: Call, target: Target, options: dict[str, Any]) -> None:
        """Asks admission, which sees what was asked for as the object. StatusError."""
        admission = self._core.admission(call.caller, target, "CONNECT", None, None, DeleteOptions())
        admission.options, admission.object = {}, options
        await self._core.chain.admit(admission)
        await self._core.chain.validate(admission)


def check_connect(call: Call) -> None:
    """400 for a request that wants to stay HTTP; 403 for who may read but not create: a GET runs things, too."""
    check_upgrade(call.request)
    if call.info.verb == "get" and call.caller.check_create is not None:
        call.caller.check_create()


def switched(exchange: Exchange, connection: Connection, prefix: str, hosts: tuple[str, ...]) -> Hijack:
    """Whoever was asked speaks another protocol from now on: bytes both ways."""

    async def run(wire: Timed) -> None:
        if exchange.rest:
            await wire.write(exchange.rest)
        await wire.run(pump(wire, wire.write, connection))

    headers = answer_headers(exchange.headers, prefix=prefix, hosts=hosts, upgrade=True)
    return hijack(headers, run)
