"""Inside the guest: names where systemd-resolved answers them, as on most hosts: /etc/resolv.conf names 127.0.0.53,
which no container reaches, and which of the real servers is asked may depend on the name (split DNS).
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from corral.cluster.client.informers import Informers
from corral.cluster.dns import Dns, DnsSettings
from corral.linux.namespaces import in_netns
from corral.networks.dns import wire
from tests.guest.inside.service import run, show, systemctl
from tests.support.endpoint import LONG, Endpoint
from tests.support.kubelet import container, open_node
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(60)]

RESOLV_CONF = Path("/etc/resolv.conf")
STUB, UPLINK = (Path(f"/run/systemd/resolve/{name}resolv.conf") for name in ("stub-", ""))
WAN, CORP, LATER = "192.0.2.1", "198.51.100.1", "192.0.2.9"
NAMES = {
    WAN: {"www.example.org": "203.0.113.1", "db.corp.example": "203.0.113.66"},
    CORP: {"db.corp.example": "203.0.113.2"},
    LATER: {"www.example.org": "203.0.113.1", "new.example.org": "203.0.113.3"},
}


class Server:
    """A name server: a few addresses, and "no such name" for the rest. `asked` has the names, in order."""

    def __init__(self, netns: int, address: str) -> None:
        self._names, self.asked = NAMES[address], list[str]()
        self._socket = in_netns(netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._socket.bind((address, 53))
        self._far, self._thread = netns, threading.Thread(target=self._serve, name=address, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(wire.LARGEST)
            if not data:
                return
            query = wire.parse_query(data)
            self.asked.append(query.name)
            found = self._names.get(query.name, "") if query.type == wire.A else ""
            records = [wire.Record(wire.A, ipaddress.ip_address(found).packed)] if found else []
            code = wire.NOERROR if query.name in self._names else wire.NXDOMAIN
            self._socket.sendto(wire.answer(query, records, code), sender)

    def __exit__(self, *_: object) -> None:
        with in_netns(self._far, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._socket.close()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    """Two links with servers at their other ends; resolved asks one of them about corp.example alone."""
    assert show("ActiveState", "systemd-resolved") == "inactive", "it would make this another host for all tests"
    with ExitStack() as undo:
        run("ip", "netns", "add", "outside")
        undo.callback(run, "ip", "netns", "del", "outside")
        run("ip", "-n", "outside", "link", "set", "lo", "up")
        netns = os.open("/run/netns/outside", os.O_RDONLY)
        undo.callback(os.close, netns)
        for link, addresses in (("wan0", (WAN, LATER)), ("corp0", (CORP,))):
            _connect(link, addresses)
            undo.callback(run, "ip", "link", "del", link)
        made = {address: undo.enter_context(Server(netns, address)) for address in NAMES}
        undo.callback(_put_back, RESOLV_CONF.read_text())
        _point_to(STUB)  # before it starts: of a file that is not its own it would take the servers
        systemctl("start", "systemd-resolved")
        undo.callback(systemctl, "stop", "systemd-resolved")
        for link, address, domain in (("wan0", WAN, "~."), ("corp0", CORP, "~corp.example")):
            run("resolvectl", "dns", link, address)
            run("resolvectl", "domain", link, domain)
        eventually(lambda: _uplinks() == [WAN], "resolved has written its files")
        yield made


def _connect(link: str, addresses: Sequence[str]) -> None:
    far = f"{link}-far"
    run("ip", "link", "add", link, "type", "veth", "peer", "name", far, "netns", "outside")
    for address in addresses:
        run("ip", "-n", "outside", "addr", "add", f"{address}/24", "dev", far)
    run("ip", "-n", "outside", "link", "set", far, "up")
    run("ip", "link", "set", link, "up")
    run("ip", "addr", "add", f"{addresses[0].rpartition('.')[0]}.2/24", "dev", link)


def _uplinks() -> list[str]:
    return [line.split()[1] for line in UPLINK.read_text().splitlines() if line.startswith("nameserver ")]


def _put_back(text: str) -> None:
    RESOLV_CONF.unlink()
    RESOLV_CONF.write_text(text)


def _point_to(file: Path) -> None:
    """As an administrator does: the name is never missing."""
    new = RESOLV_CONF.with_suffix(".new")
    new.symlink_to(file)
    new.rename(RESOLV_CONF)


def _lookup(engine: Endpoint, identity: str, name: str) -> str:
    return engine.execute(identity, "nslookup", "-type=a", name)[1]


def test_this_is_a_host_with_the_stub(servers: dict[str, Server]) -> None:
    assert "nameserver 127.0.0.53" in RESOLV_CONF.read_text()
    assert socket.gethostbyname("db.corp.example") == "203.0.113.2" and "db.corp.example" not in servers[WAN].asked


def test_in_a_users_network_our_resolver_asks_as_the_host_does(engine: Endpoint, servers: dict[str, Server]) -> None:
    assert engine.post("/networks/create", {"Name": "net"}).status == 201
    identity = engine.run("sleep", "1000", HostConfig={"NetworkMode": "net"})
    assert "nameserver 127.0.0.11" in engine.execute(identity, "cat", "/etc/resolv.conf")[1]
    assert "203.0.113.1" in _lookup(engine, identity, "www.example.org")
    assert "203.0.113.2" in _lookup(engine, identity, "db.corp.example"), "the server of that domain is asked"
    assert "db.corp.example" not in servers[WAN].asked
    assert "NXDOMAIN" in _lookup(engine, identity, "new.example.org")
    try:
        run("resolvectl", "dns", "wan0", LATER)
        run("resolvectl", "flush-caches")
        assert "203.0.113.3" in _lookup(engine, identity, "new.example.org"), "a container that runs sees it"
        eventually(lambda: _uplinks() == [LATER], "the file of the real servers has the new one")
        _point_to(UPLINK)  # the stub is given up
        seen = len(servers[LATER].asked)
        assert "203.0.113.1" in _lookup(engine, identity, "www.example.org")
        assert servers[LATER].asked[seen:] == ["www.example.org"]
    finally:
        _point_to(STUB)
        run("resolvectl", "dns", "wan0", WAN)
        eventually(lambda: _uplinks() == [WAN], "the file of the real servers is as it was")


def test_on_the_default_bridge_the_real_servers_are_asked(engine: Endpoint, servers: dict[str, Server]) -> None:
    identity = engine.run("sleep", "1000")
    lines = engine.execute(identity, "cat", "/etc/resolv.conf")[1].splitlines()
    assert [line for line in lines if line.startswith("nameserver")] == [f"nameserver {WAN}"]
    assert not [line for line in lines if line.startswith("search")], lines
    assert "203.0.113.1" in _lookup(engine, identity, "www.example.org")


def test_the_hosts_network_has_the_hosts_file(engine: Endpoint, servers: dict[str, Server]) -> None:
    identity = engine.run("sleep", "1000", HostConfig={"NetworkMode": "host"})
    assert "nameserver 127.0.0.53" in engine.execute(identity, "cat", "/etc/resolv.conf")[1]
    assert "203.0.113.2" in _lookup(engine, identity, "db.corp.example")


async def test_pods_with_the_nodes_resolver(servers: dict[str, Server]) -> None:
    async with open_node() as node:
        await node.create("web", container(), dnsPolicy="Default")
        await node.running("web")
        assert await node.ask("web", "cat", "/etc/resolv.conf") == f"nameserver {WAN}\n"
        assert "203.0.113.1" in await node.ask("web", "nslookup", "-type=a", "www.example.org")


async def test_the_clusters_name_server_asks_as_the_host_does(servers: dict[str, Server]) -> None:
    async with open_node() as node:
        informers = Informers(node.client)
        dns = Dns(node.client, informers, DnsSettings("127.0.0.1", "10.96.0.10"))
        port = await dns.open()
        following = asyncio.create_task(informers.run())
        try:
            await informers.synced()
            for name, address in (("db.corp.example", "203.0.113.2"), ("www.example.org", "203.0.113.1")):
                question = wire.ask(name, wire.A)
                reply = await asyncio.to_thread(_ask, port, question)
                assert wire.read_answer(reply) == (wire.NOERROR, False, [address])
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await dns.close()
    assert "db.corp.example" not in servers[WAN].asked


def _ask(port: int, question: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=LONG) as asking:  # over TCP the stub answers, too
        asking.sendall(len(question).to_bytes(2, "big") + question)
        with asking.makefile("rb") as reply:
            return reply.read(int.from_bytes(reply.read(2), "big"))
