"""The kubelet's HTTPS server with a fake node behind it, in the event loop of a live API server."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from corral.cluster.apiserver.certificates.issuing import new_leaf
from corral.cluster.apiserver.certificates.renewal import Wanted
from corral.cluster.certificates.x509 import from_pem
from corral.cluster.kubelet.server.gate import Gate
from corral.cluster.kubelet.server.server import KubeletServer
from corral.daemon.kubelet_server import review_here
from corral.http.server import Server
from corral.http.tls import server_context
from tests.support.fake_node import FakeNode
from tests.support.kubernetes import LiveKubernetes

Object = dict[str, Any]


class FakeKubelet:
    """On a free port of the loopback, with a certificate for the name `certified`; the Node object says so.

    `access` is who does what is asked. Open it with `cluster.run(FakeKubelet.open(cluster, name))`.
    """

    def __init__(self, cluster: LiveKubernetes, name: str) -> None:
        self.cluster, self.name, self.access = cluster, name, FakeNode()
        self.ready = asyncio.Event()
        self.ready.set()
        self.machine = SimpleNamespace(name=name, cpus=2)
        gate = Gate(name, review_here(cluster.api), from_pem(cluster._pki.ca))
        self._server = Server(KubeletServer(cast(Any, self), gate).handle)

    @classmethod
    async def open(cls, cluster: LiveKubernetes, name: str, certified: str = "") -> FakeKubelet:
        made = cls(cluster, name)
        path = made._certificate(certified or name)
        context = server_context(str(path), str(path), cluster._pki.ca)
        made.port = await made._server.listen_tcp("127.0.0.1", 0, context)
        return made

    port = 0

    def _certificate(self, name: str) -> Path:
        wanted = Wanted(f"system:node:{self.name}", ("system:nodes",), names=(name,), server=True)
        pem = new_leaf(wanted, (self.cluster._pki.folder / "ca.pem").read_text(), int(time.time()))
        path = self.cluster._pki.folder / f"serving-{self.name}.pem"
        path.write_text(pem)
        return path

    def register(self) -> None:
        """From the test's thread: the node, and where its kubelet is."""
        admin = self.cluster.admin
        admin.ok("POST", "/api/v1/nodes", {"metadata": {"name": self.name}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
        }
        assert admin.patch(f"/api/v1/nodes/{self.name}/status", {"status": status}).status == 200

    def pods(self) -> list[Object]:
        found = self.cluster.api.caches.list("", "pods")
        return [one for one in found if one["spec"].get("nodeName") == self.name]

    def pod(self, namespace: str, name: str) -> Object | None:
        return self.cluster.api.caches.get("", "pods", namespace, name)

    async def close(self) -> None:
        await self._server.close(grace=0.5)
