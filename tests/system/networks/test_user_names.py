"""What the name server of a network that somebody made answers, and what it passes on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from corral.linux.namespaces import in_netns
from corral.model.container import EndpointSpec
from corral.model.network import NetworkSpec
from corral.networks import Networks, Resolving, Upstream
from corral.networks.dns import wire
from tests.system.networks.box import Box
from tests.system.networks.user_networks import HERE, lookup

pytestmark = pytest.mark.root


async def test_names(networks: Networks, box: Callable[[], Box]) -> None:
    await networks.create(NetworkSpec("shop"))
    webs = [await box().attach(networks, name=f"web{n}", shop=EndpointSpec(aliases=["web"])) for n in range(2)]
    one = await box().attach(networks, name="one", shop=EndpointSpec(links=["web1:database"]))
    addresses = [web.endpoint.ipv4 for web in webs]
    first, second = await lookup(one, "web"), await lookup(one, "WEB.shop", tcp=True)
    assert first == (0, second[1][::-1]) and sorted(first[1]) == sorted(addresses)
    assert await lookup(one, "database") == (0, [addresses[1]])
    assert (await lookup(webs[0], "database"))[0] != 0
    assert await lookup(one, webs[0].id[:12]) == (0, [addresses[0]])
    assert await lookup(one, "web0", wire.AAAA) == (0, [])
    assert await lookup(one, "web0", 15) == (0, [])
    reverse = ".".join(reversed(addresses[0].split("."))) + ".in-addr.arpa"
    assert await lookup(one, reverse, wire.PTR) == (0, ["web0.shop"])
    networks.rename(webs[0].id, "shopfront")
    assert await lookup(one, "shopfront") == (0, [addresses[0]])
    await networks.detach(webs[0].id)
    assert await lookup(one, "web") == (0, [addresses[1]])


async def test_questions_are_passed_on(networks: Networks, box: Callable[[], Box]) -> None:
    await networks.create(NetworkSpec("shop"))
    one = box()
    inner = _name_server(in_netns(one.netns, _socket), "192.0.2.1", port=53)
    outer = _name_server(_socket(), "192.0.2.2")

    async def told(upstream: Upstream, name: str = "example.org", *, dotted: bool = False) -> tuple[int, list[str]]:
        await one.attach(networks, name="one", shop=HERE, resolving=Resolving(upstream, dotted=dotted))
        try:
            return await lookup(one, name)
        finally:
            await networks.disconnect(one.id, one.netns, "shop")

    with inner, outer:  # the inner one has port 53 of all the container's addresses, as name servers in containers do
        host = Upstream(("127.0.0.1",), port=outer.getsockname()[1])
        assert await told(host) == (0, ["192.0.2.2"])
        assert await told(host, "single") == (0, ["192.0.2.2"])
        assert await told(host, "single", dotted=True) == (0, [])
        assert await told(Upstream(("127.0.0.1",), inside=True)) == (0, ["192.0.2.1"])
        nobody = Upstream(("127.0.0.1", "127.0.0.2"), port=1)
        assert await told(nobody) == (wire.SERVFAIL, [])  # and said at once


def _socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _name_server(server: socket.socket, address: str, port: int = 0) -> socket.socket:
    """Tells everybody the same."""
    server.setblocking(False)
    server.bind(("0.0.0.0", port))
    record = wire.Record(wire.A, ip_address(address).packed)

    def tell() -> None:
        data, sender = server.recvfrom(4096)
        server.sendto(wire.answer(wire.parse_query(data), [record]), sender)

    asyncio.get_running_loop().add_reader(server, tell)
    return server
