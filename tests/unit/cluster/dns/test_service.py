"""The Service and where it leads, as the API server takes them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from corral.cluster.apiserver.app import Kubernetes
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.certificates import pki
from corral.cluster.client.builtin import ENDPOINT_SLICES, SERVICES
from corral.cluster.client.informers import Informers
from corral.cluster.client.members import Place
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.dns import Dns, DnsSettings
from corral.cluster.dns.service import NAME, NAMESPACE, keep_service
from corral.model.kubernetes.status import unavailable
from corral.store.memory import MemoryStore
from tests.support.fake_client import FakeClient


async def test_both_are_written_and_put_right(tmp_path: Path) -> None:
    authorities = pki.ensure(tmp_path / "pki", pki.server_names("10.96.0.1"), int(time.time()))
    api = await Kubernetes.open(MemoryStore(), authorities)
    try:
        await api.boot()
        client = api.client(User("system:admin", "", (MASTERS_GROUP,)), "test")
        await keep_service(client, "10.96.0.10", [Place("10.244.0.1", 53), Place("10.244.2.1", 5353)])
        assert len((await client.list(ENDPOINT_SLICES, NAMESPACE)).items) == 2
        made = await client.get(SERVICES, NAME, NAMESPACE)
        assert made["spec"]["clusterIP"] == "10.96.0.10"
        assert {(port["protocol"], port["port"]) for port in made["spec"]["ports"]} == {("UDP", 53), ("TCP", 53)}
        await keep_service(client, "10.96.0.10", [Place("10.244.1.1", 5353)])
        [piece] = (await client.list(ENDPOINT_SLICES, NAMESPACE)).items
        assert piece["endpoints"] == [{"addresses": ["10.244.1.1"], "conditions": {"ready": True}}]
        assert {port["port"] for port in piece["ports"]} == {5353}
        both = [Place("10.244.1.1", 53), Place("fd00:10:244::1", 53), Place("fd00:10:244::2", 5353)]
        for places in (both, both[1:], both):  # a slice is of one family, and stays of that
            await keep_service(client, "10.96.0.10", places)
            found = (await client.list(ENDPOINT_SLICES, NAMESPACE)).items
            wanted = sorted(("IPv6" if ":" in one.address else "IPv4", one.address) for one in places)
            assert sorted((one["addressType"], one["endpoints"][0]["addresses"][0]) for one in found) == wanted
    finally:
        await api.close()


class Away(FakeClient):
    """The server of a store that is away for the first two writes."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.done = asyncio.Event()

    async def patch(self, of: Collection, name: str, *_: Any, **__: Any) -> Object:
        self.asked.append(of.plural)
        if len(self.asked) <= 2:
            raise unavailable("etcd cannot be reached")
        if of == ENDPOINT_SLICES:
            self.done.set()
        return {}


async def test_a_store_that_is_away_is_no_reason_to_give_up() -> None:
    """Nobody else would write it until the next start."""
    api = Away()
    dns = Dns(api.client, Informers(api.client), DnsSettings("10.64.0.1", "10.96.0.10"))
    running = asyncio.create_task(dns.run())
    async with asyncio.timeout(60):
        await api.done.wait()
    running.cancel()
    await asyncio.wait([running])
    assert api.asked == ["services", "endpointslices"] * 2
