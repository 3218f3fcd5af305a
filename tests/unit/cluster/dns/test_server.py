"""The name server on a real socket of the loopback, with a server of the test's own behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from corral.cluster.client.builtin import ENDPOINT_SLICES, NAMESPACES, SERVICES
from corral.cluster.client.informers import Informers
from corral.cluster.dns import Dns, DnsSettings
from corral.networks.dns.wire import SERVFAIL, A, Record, answer, ask, parse_query, read_answer
from tests.support.fake_client import FakeClient

WEB = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.7", "ports": []}}


class Others(asyncio.DatagramProtocol):
    """Whom the host asks: knows one address for every name, and counts who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, sender: Any) -> None:
        query = parse_query(data)
        self.asked.append(query.name)
        self.transport.sendto(answer(query, [Record(A, bytes([192, 0, 2, 9]))]), sender)


@pytest.fixture
async def others() -> AsyncIterator[Others]:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(Others, local_addr=("127.0.0.1", 0))
    yield made
    transport.close()


@pytest.fixture
async def api() -> FakeClient:
    made = FakeClient()
    made.put(NAMESPACES, {"metadata": {"name": "shop"}})
    made.put(SERVICES, WEB)
    return made


@pytest.fixture
async def dns(api: FakeClient, others: Others) -> AsyncIterator[Dns]:
    informers = Informers(api.client)
    port = others.transport.get_extra_info("sockname")[1]
    settings = DnsSettings("127.0.0.1", "10.96.0.10", port=0, servers=("127.0.0.1",), upstream_port=port)
    made = Dns(api.client, informers, settings)
    await made.open()
    assert read_answer(await over_udp(made, ask("web.shop.svc.cluster.local", A)))[0] == SERVFAIL  # not known yet
    running = asyncio.create_task(informers.run())
    await informers.synced()
    yield made
    running.cancel()
    await asyncio.wait([running])
    await made.close()


async def over_udp(dns: Dns, question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", dns.port))
        client.send(question)
        async with asyncio.timeout(60):
            return await loop.sock_recv(client, 65535)


async def over_tcp(dns: Dns, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", dns.port)
    try:
        writer.write(len(question).to_bytes(2, "big") + question)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()


async def test_services_by_name_over_udp_and_tcp(dns: Dns, api: FakeClient) -> None:
    for exchange in (over_udp, over_tcp):
        for _ in range(2):
            got = await exchange(dns, ask("web.shop.svc.cluster.local", A, id=9))
            assert got[:2] == b"\0\x09" and read_answer(got) == (0, False, ["10.96.0.7"])
    api.remove(SERVICES, "shop/web")
    async with asyncio.timeout(60):
        while read_answer(await over_udp(dns, ask("web.shop.svc.cluster.local", A)))[0] != 3:
            pass


async def test_endpoints_that_come(dns: Dns, api: FakeClient) -> None:
    api.put(SERVICES, {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"clusterIP": "None"}})
    labels = {"kubernetes.io/service-name": "db"}
    ends = [{"addresses": [f"10.1.{n // 250}.{n % 250 + 1}"]} for n in range(300)]
    meta = {"name": "db-1", "namespace": "shop", "labels": labels}
    api.put(ENDPOINT_SLICES, {"metadata": meta, "addressType": "IPv4", "ports": [], "endpoints": ends})
    async with asyncio.timeout(60):
        while not read_answer(await over_udp(dns, ask("db.shop.svc.cluster.local", A)))[2]:
            pass
    code, cut, some = read_answer(await over_udp(dns, ask("db.shop.svc.cluster.local", A)))
    assert (code, cut) == (0, True) and len(some) < 40
    code, cut, every = read_answer(await over_tcp(dns, ask("db.shop.svc.cluster.local", A)))
    assert (code, cut, len(every)) == (0, False, 300)


async def test_names_of_others_are_asked_for_once(dns: Dns, others: Others) -> None:
    for _ in range(3):
        assert read_answer(await over_udp(dns, ask("example.org", A)))[2] == ["192.0.2.9"]
    assert others.asked == ["example.org"]


async def test_an_alias_brings_the_addresses_of_its_name(dns: Dns, api: FakeClient, others: Others) -> None:
    spec = {"type": "ExternalName", "externalName": "example.net"}
    api.put(SERVICES, {"metadata": {"name": "out", "namespace": "shop"}, "spec": spec})
    async with asyncio.timeout(60):
        while not (found := read_answer(await over_udp(dns, ask("out.shop.svc.cluster.local", A)))[2]):
            pass
    assert found == ["192.0.2.9"] and others.asked == ["example.net"]


async def test_what_is_no_question(dns: Dns) -> None:
    assert read_answer(await over_udp(dns, b"\0\1\1\0\0\0\0\0\0\0\0\0"))[0] == 1
