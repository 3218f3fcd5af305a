"""The Service and where it leads, as the API server takes them."""

from __future__ import annotations

import time
from pathlib import Path

from corral.cluster.apiserver.app import Kubernetes
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.certificates import pki
from corral.cluster.client.builtin import ENDPOINT_SLICES, SERVICES
from corral.cluster.client.members import Place
from corral.cluster.dns.service import NAME, NAMESPACE, keep_service
from corral.store.memory import MemoryStore


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
    finally:
        await api.close()
