from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest

from corral.model.container import Endpoint
from corral.networks.dns import upstream, wire
from corral.networks.dns.directory import Directory, View
from corral.networks.dns.door import Door
from corral.networks.dns.server import Asking, NameServer
from corral.networks.dns.upstream import HostServers, Upstream


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    directory = Directory()
    directory.add("shop", Endpoint("shop", "", "e", ipv4="10.0.0.2", dns_names=["web"]))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.create_server(("127.0.0.1", 0))
    udp.bind(("127.0.0.1", 0))
    for each in (udp, tcp):
        each.setblocking(False)
    netns = os.open("/proc/self/ns/net", os.O_RDONLY)
    made = NameServer(Door(udp, tcp), netns, Asking(View(["shop"]), outward=False), directory, HostServers())
    made.ports = udp.getsockname()[1], tcp.getsockname()[1]  # type: ignore[attr-defined]
    yield made
    await made.close()


def over_udp(server: NameServer, data: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(60)
        asking.connect(("127.0.0.1", server.ports[0]))  # type: ignore[attr-defined]
        asking.send(data)
        return asking.recv(65535)


async def test_what_is_no_question(server: NameServer) -> None:
    assert server.answer(b"", tcp=False) == b""
    assert server.answer(wire.answer(wire.parse_query(wire.ask("web", wire.A))), tcp=False) == b""
    short = server.answer(wire.ask("web", wire.A)[:20], tcp=False)
    assert isinstance(short, bytes) and wire.code_of(short) == wire.FORMERR
    update = bytearray(wire.ask("web", wire.A))
    update[2] |= 5 << 3
    refused = server.answer(bytes(update), tcp=False)
    assert isinstance(refused, bytes) and wire.code_of(refused) == wire.NOTIMP
    reply = await asyncio.to_thread(over_udp, server, wire.ask("web", wire.A)[:20])
    assert wire.code_of(reply) == wire.FORMERR


async def test_several_questions_over_one_connection(server: NameServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[1])  # type: ignore[attr-defined]
    for name, expected in (("web", (0, False, ["10.0.0.2"])), ("nobody", (wire.SERVFAIL, False, []))):
        question = wire.ask(name, wire.A)
        writer.write(len(question).to_bytes(2, "big") + question)
        length = int.from_bytes(await reader.readexactly(2), "big")
        assert wire.read_answer(await reader.readexactly(length)) == expected
    writer.write(b"\0\1x")  # not even a header: the connection ends
    assert await reader.read() == b""
    writer.close()


async def test_a_bad_server_is_passed_over(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first refuses, the second says something else first."""
    monkeypatch.setattr(upstream, "PATIENCE", 60.0)
    first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    first.bind(("127.0.0.2", 0))
    port = first.getsockname()[1]
    second.bind(("127.0.0.3", port))
    loop = asyncio.get_running_loop()

    def refuse() -> None:
        data, sender = first.recvfrom(512)
        first.sendto(wire.answer(wire.parse_query(data), code=wire.REFUSED), sender)

    def tell() -> None:
        data, sender = second.recvfrom(512)
        query = wire.parse_query(data)
        second.sendto(wire.answer(query._replace(id=query.id ^ 1)), sender)
        second.sendto(wire.answer(query, [wire.Record(wire.A, bytes([192, 0, 2, 1]))]), sender)

    with first, second:
        loop.add_reader(first, refuse)
        loop.add_reader(second, tell)
        server.asking = Asking(View(["shop"]), Upstream(("127.0.0.2", "127.0.0.3"), port=port))
        question = wire.ask("example.org", wire.A, id=77)
        reply = await asyncio.to_thread(over_udp, server, question)
        assert reply[:2] == question[:2] and wire.read_answer(reply) == (0, False, ["192.0.2.1"])
        loop.remove_reader(first)
        loop.remove_reader(second)


def test_the_hosts_servers_are_read_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "resolv.conf"
    servers = HostServers(str(file))
    assert servers.now() == ["8.8.8.8", "8.8.4.4"]
    file.write_text("nameserver 127.0.0.53\n")
    assert servers.now() == ["127.0.0.53"]
    file.with_suffix(".new").write_text("nameserver 192.0.2.7\n")
    file.with_suffix(".new").rename(file)
    assert servers.now() == ["192.0.2.7"]


async def test_what_is_kept_is_forgotten_when_names_or_networks_change(server: NameServer) -> None:
    def told(number: int) -> object:
        reply = server.answer(wire.ask("web", wire.A, id=number), tcp=False)
        if not isinstance(reply, bytes):
            return None
        assert reply[:2] == number.to_bytes(2, "big")
        return wire.read_answer(reply)[2]

    assert [told(1), told(2)] == [["10.0.0.2"]] * 2
    server._directory.add("shop", Endpoint("shop", "", "f", ipv4="10.0.0.3", dns_names=["web"]))
    assert [told(3), told(4)] in ([["10.0.0.2", "10.0.0.3"], ["10.0.0.3", "10.0.0.2"]],
                                  [["10.0.0.3", "10.0.0.2"], ["10.0.0.2", "10.0.0.3"]])  # fmt: skip
    server._directory.remove("shop", Endpoint("shop", "", "e", ipv4="10.0.0.2", dns_names=["web"]))
    assert told(5) == ["10.0.0.3"]
    server.asking = Asking(View([]), outward=False)
    assert told(6) is None
