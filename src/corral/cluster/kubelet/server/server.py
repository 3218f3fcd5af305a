"""KubeletServer: the handler of the kubelet's HTTPS listener.

Follows pkg/kubelet/server: the same paths, plain text for what went wrong.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from corral.cluster.client.nodes import Connection, Streams
from corral.cluster.kubelet.barrier import Leaving
from corral.cluster.kubelet.metering.reading import (
    Measured,
    busy_cpu,
    node_memory,
    parse_meminfo,
    read_containers,
    read_file,
    sample_of,
)
from corral.cluster.kubelet.server.exposition import cadvisor_lines, kubelet_lines, resource_lines
from corral.cluster.kubelet.server.gate import Gate, Refused
from corral.cluster.kubelet.server.summary import NodeFacts, plan_summary
from corral.cluster.streaming.forwarding import cause_of
from corral.cluster.streaming.options import log_options
from corral.cluster.streaming.serving import check_upgrade, forward_answer, process_answer
from corral.cluster.streaming.targets import read_ports, read_process
from corral.errors import CorralError
from corral.http.message import Answer, ClientGone, Request, Response, StreamResponse
from corral.http.query import Query
from corral.kit.exposition import CONTENT_TYPE
from corral.kit.timeouts import fair_timeout
from corral.model.kubernetes.status import StatusError, not_found

if TYPE_CHECKING:
    from corral.cluster.kubelet.kubelet import Kubelet

log = logging.getLogger("corral.kubelet")

Object = dict[str, Any]
Handle = Callable[[Request, Sequence[str]], Awaitable[Answer]]
TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}
JSON: Final = {"Content-Type": "application/json"}
GONE: Final = 1.0  # seconds until a neighbour is told that there is no knowing


class KubeletServer:
    """`gate` says who may; `routes` are by the first word of the path, and get the words after it."""

    def __init__(self, kubelet: Kubelet, gate: Gate) -> None:
        self._kubelet, self._gate = kubelet, gate
        self._start = time.time()
        self.routes: dict[str, Handle] = {
            "healthz": self._healthz,
            "gone": self._gone,
            "pods": self._pods,
            "runningpods": self._running,
            "containerLogs": self._logs,
            "exec": self._exec,
            "attach": self._attach,
            "portForward": self._forward,
            "stats": self._stats,
            "metrics": self._metrics,
        }

    async def handle(self, request: Request) -> Answer:
        """Never raises, but for clients that have gone."""
        try:
            await self._gate.check(request)
            word, *rest = [unquote(part) for part in request.raw_path.strip("/").split("/")]
            handle = self.routes.get(word)
            if handle is None:
                return Response(404, TEXT, f"404 page not found: a kubelet here does not serve /{word}\n".encode())
            return await handle(request, rest)
        except Refused as refused:
            return Response(refused.status, TEXT, refused.text.encode())
        except StatusError as error:
            return Response(error.code, TEXT, cause_of(error).encode())
        except ClientGone:
            raise
        except CorralError as error:
            return Response(500, TEXT, error.message.encode())
        except Exception:
            log.exception("%s %s failed", request.method, request.raw_path)
            return Response(500, TEXT, b"this request failed in the kubelet; its log says why")

    # What it runs

    async def _healthz(self, request: Request, rest: Sequence[str]) -> Answer:
        if not self._kubelet.ready.is_set():
            return Response(500, TEXT, b"the node is not registered yet")
        return Response(200, TEXT, b"ok")

    async def _gone(self, request: Request, rest: Sequence[str]) -> Answer:
        """Of a pod on the node that asks: answered when our proxy leads no new connection to it, or gave up."""
        try:
            address, uid = rest
            address = str(ipaddress.ip_address(address))
        except ValueError:
            return Response(400, TEXT, b"/gone/ADDRESS/UID: the address or the uid of a pod is missing\n")
        leaving = Leaving(address, uid, self._gate.node_of(request))
        with suppress(TimeoutError):
            async with fair_timeout(GONE):
                await self._kubelet.shared.barrier(leaving)
        return Response(200, TEXT, b"ok")

    async def _pods(self, request: Request, rest: Sequence[str]) -> Answer:
        return _pod_list(self._kubelet.pods())

    async def _running(self, request: Request, rest: Sequence[str]) -> Answer:
        """What really runs, by the engine: pods with no more than their containers' names and images."""
        found: dict[str, Object] = {}
        for one in await self._measured():
            meta = {"name": one.pod, "namespace": one.namespace, "uid": one.uid}
            pod = found.setdefault(one.uid, {"metadata": meta, "spec": {"containers": []}, "status": {}})
            pod["spec"]["containers"].append({"name": one.attempt.container, "image": one.attempt.image})
        return _pod_list(found.values())

    # Streams

    async def _logs(self, request: Request, rest: Sequence[str]) -> Answer:
        pod, container = self._named(rest, container=True)
        query = Query(request.raw_query)
        query.values["container"] = [container]
        options = log_options(query, pod, time.time())
        return StreamResponse(self._kubelet.access.logs(pod, options), 200, TEXT)

    async def _exec(self, request: Request, rest: Sequence[str]) -> Answer:
        return self._process(request, rest, exec=True)

    async def _attach(self, request: Request, rest: Sequence[str]) -> Answer:
        return self._process(request, rest, exec=False)

    def _process(self, request: Request, rest: Sequence[str], *, exec: bool) -> Answer:
        pod, container = self._named(rest, container=True)
        check_upgrade(request)
        options, access = read_process(request.query, container, exec=exec), self._kubelet.access
        access.check_running(pod, container)

        async def start() -> Streams:
            wanted = {key: getattr(options, key) for key in ("stdin", "stdout", "stderr", "tty")}
            if exec:
                return await access.exec(pod, container, options.command, **wanted)
            return await access.attach(pod, container, **wanted)

        return process_answer(request, options, start)

    async def _forward(self, request: Request, rest: Sequence[str]) -> Answer:
        pod, _ = self._named(rest, container=False)
        check_upgrade(request)

        async def connect(port: int) -> Connection:
            return await self._kubelet.access.connect(pod, port)

        return forward_answer(request, lambda: read_ports(request.query), pod, connect)

    def _named(self, rest: Sequence[str], *, container: bool) -> tuple[Object, str]:
        """NAMESPACE/POD[/UID][/CONTAINER]. 404."""
        wanted = 3 if container else 2
        if len(rest) not in (wanted, wanted + 1):
            raise StatusError(404, "NotFound", "404 page not found")
        namespace, name = rest[:2]
        pod = self._kubelet.pod(namespace, name)
        if pod is None or (len(rest) > wanted and pod["metadata"]["uid"] != rest[2]):
            raise not_found("pods", name)
        return pod, rest[-1] if container else ""

    # What is used

    async def _measured(self) -> list[Measured]:
        return await read_containers(self._kubelet.engine, self._kubelet.shared.index)

    async def _stats(self, request: Request, rest: Sequence[str]) -> Answer:
        if rest[:1] != ["summary"]:
            raise StatusError(404, "NotFound", "404 page not found: of /stats only /stats/summary is served")
        report = await self._kubelet.meter.measure()
        found = plan_summary(self._facts(), await self._measured(), self._kubelet.pods(), report)
        if request.query.get("only_cpu_and_memory").lower() in ("true", "1"):
            found["node"].pop("fs")
            for pod in found["pods"]:
                pod.pop("network", None)
        return Response(200, JSON, msgspec.json.encode(found))

    async def _metrics(self, request: Request, rest: Sequence[str]) -> Answer:
        containers, kubelet = await self._measured(), self._kubelet
        match list(rest):
            case []:
                pods = len({one.uid for one in containers})
                lines = kubelet_lines(kubelet.machine.name, pods, len(containers), self._start)
            case ["resource"]:
                lines = resource_lines(sample_of(containers, time.time_ns()))
            case ["cadvisor"]:
                lines = cadvisor_lines(self._facts(), kubelet.machine.cpus, containers)
            case _:
                raise StatusError(404, "NotFound", f"404 page not found: /metrics/{'/'.join(rest)} is not served")
        return Response(200, {"Content-Type": CONTENT_TYPE}, ("\n".join(lines) + "\n").encode())

    def _facts(self) -> NodeFacts:
        """HostError."""
        stat, memory = read_file("/proc/stat"), read_file("/proc/meminfo")
        disk = os.statvfs(self._kubelet.engine.config.root)
        size = disk.f_frsize
        used = (disk.f_blocks - disk.f_bfree) * size
        return NodeFacts(
            self._kubelet.machine.name,
            time.time_ns(),
            boot_time(stat),
            busy_cpu(stat),
            node_memory(memory),
            parse_meminfo(memory),
            (disk.f_blocks * size, disk.f_bavail * size, used),
        )


def boot_time(stat: str) -> int:
    """Pure: when the machine was started, by /proc/stat, in nanoseconds.

    >>> boot_time("cpu 1 2\\nbtime 1700000000\\n")
    1700000000000000000
    """
    for line in stat.splitlines():
        if line.startswith("btime "):
            return int(line.split()[1]) * 10**9
    return 0


def _pod_list(pods: Iterable[Object]) -> Response:
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(pods)}
    return Response(200, JSON, msgspec.json.encode(body))
