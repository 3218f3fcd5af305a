"""Links between containers that are kept apart, with real packets: on hosts whose bridges' frames pass the firewall
(br_netfilter) and on those where they do not. Each is a network namespace of its own that plays the host.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from corral.linux.namespaces import enter_netns, in_netns, new_netns
from corral.linux.netlink import Netlink
from corral.linux.nftables import Nft
from corral.model.container import EndpointSpec, PortBinding
from corral.model.network import NetworkOptions
from corral.model.network import NetworkSpec as Wanted
from corral.networks import InstanceNames, Links, NetworkConfig, Networks
from corral.networks.wires import Wires
from tests.support.tools import missing
from tests.system.networks.box import SHORT, Box, ask

pytestmark = pytest.mark.root

NAMES = InstanceNames(f"{os.getpid() & 0xFFFF:04x}l")
DB, DNS = (5432, "tcp"), (53, "udp")


class Host:
    """A network namespace that plays the host; `daemon` makes a daemon's networks in it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.netns = new_netns()
        stack.callback(os.close, self.netns)
        self._folder = folder

    def set(self, path: str, value: str) -> None:
        in_netns(self.netns, lambda: Path(f"/proc/sys/net/{path}").write_text(value))

    def get(self, path: str) -> str:
        return in_netns(self.netns, lambda: Path(f"/proc/sys/net/{path}").read_text().strip())

    def filter_frames(self, *, ip: bool, ip6: bool) -> None:
        for word, passed in (("ip", ip), ("ip6", ip6)):
            if in_netns(self.netns, lambda: Path("/proc/sys/net/bridge").is_dir()):
                self.set(f"bridge/bridge-nf-call-{word}tables", str(int(passed)))
            elif ip or ip6:
                missing("br_netfilter, the module,")

    async def daemon(self, *, icc: bool = False) -> Networks:
        made = Networks(
            names=NAMES,
            config=NetworkConfig(subnet="10.99.0.0/24", icc=icc, ipv6=True),
            state_dir=str(self._folder),
            make_wires=lambda names: Wires(names, first=3, further=3),
        )
        await made._in_thread(lambda: enter_netns(self.netns))
        await made.setup()
        return made

    def nft(self, command: str) -> str:
        def run() -> str:
            nft = Nft()
            try:
                return nft.run(command)
            finally:
                nft.close()

        return in_netns(self.netns, run)

    def linked(self) -> str:
        return self.nft(f"list set inet {NAMES.table} linked4")


@pytest.fixture(params=[(False, False), (True, True), (True, False)], ids=["frames-pass", "filtered", "only-ipv4"])
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Host]:
    with ExitStack() as stack:
        made = Host(tmp_path, stack)
        made.filter_frames(ip=request.param[0], ip6=request.param[1])
        yield made


@pytest.fixture
async def apart(host: Host) -> AsyncIterator[Networks]:
    made = await host.daemon()
    yield made
    await made.teardown()
    await made.close()
    assert NAMES.table not in host.nft("list tables")
    with Netlink.inside(host.netns) as there:
        assert NAMES.bridge not in [link.name for link in there.links()]


@pytest.fixture
async def box() -> AsyncIterator[Callable[[], Box]]:
    with ExitStack() as stack:
        yield lambda: Box(stack)


async def seat(box: Box, networks: Networks, name: str, links: Links | None = None) -> Box:
    await box.attach(networks, name=name, links=links)
    return box


async def refused(address: str, port: int, netns: int, kind: int = socket.SOCK_STREAM) -> None:
    with pytest.raises(OSError):
        await ask(address, port, netns, kind, seconds=SHORT)


async def test_a_link_opens_the_exposed_ports_one_way(apart: Networks, box: Callable[[], Box]) -> None:
    db = await seat(box(), apart, "db", Links(exposed=(DB, DNS)))
    web = await seat(box(), apart, "web", Links(calls=(db.id,)))
    other = await seat(box(), apart, "other")
    for each in (db, web, other):
        each.serve(5432)
        each.serve(80)
    db.serve(53, socket.SOCK_DGRAM)
    assert await ask(db.endpoint.ipv4, 5432, web.netns) == web.endpoint.ipv4
    assert await ask(db.endpoint.ipv4, 53, web.netns, socket.SOCK_DGRAM) == web.endpoint.ipv4
    for _ in range(20):  # as many as the host sends redirects for
        assert await ask(db.endpoint.ipv4, 5432, web.netns) == web.endpoint.ipv4
    await asyncio.gather(
        refused(db.endpoint.ipv4, 80, web.netns),  # not exposed
        refused(web.endpoint.ipv4, 5432, db.netns),  # not the way the link goes
        refused(db.endpoint.ipv4, 5432, other.netns),
        refused(other.endpoint.ipv4, 5432, web.netns),
        refused(db.endpoint.ipv6, 5432, web.netns),  # as in Docker
        refused(db.endpoint.ipv6, 5432, other.netns),
    )


async def test_links_follow_those_that_come_and_go(host: Host, apart: Networks, box: Callable[[], Box]) -> None:
    db, calling = await seat(box(), apart, "db", Links(exposed=(DB,))), box()
    web = await seat(calling, apart, "web", Links(calls=(db.id,)))
    first = f"{web.endpoint.ipv4} . {db.endpoint.ipv4} . "
    assert first in host.linked()
    await apart.detach(db.id)
    assert "10.99." not in host.linked()
    await seat(box(), apart, "occupant")
    again = box()
    again.id = db.id
    await seat(again, apart, "db", Links(exposed=(DB,)))
    again.serve(5432)
    assert await ask(again.endpoint.ipv4, 5432, web.netns) == web.endpoint.ipv4
    await apart.detach(web.id)
    assert "10.99." not in host.linked()
    second = box()
    second.id = web.id
    await seat(second, apart, "web", Links(calls=(db.id,)))
    assert await ask(again.endpoint.ipv4, 5432, second.netns) == second.endpoint.ipv4
    await apart.link(web.id, Links())
    assert "10.99." not in host.linked()
    await refused(again.endpoint.ipv4, 5432, second.netns)


async def test_links_of_a_network_that_is_left_and_joined(host: Host, apart: Networks, box: Callable[[], Box]) -> None:
    db = await seat(box(), apart, "db", Links(exposed=(DB,)))
    web = await seat(box(), apart, "web", Links(calls=(db.id,)))
    db.serve(5432)
    await apart.disconnect(db.id, db.netns, "bridge")
    assert "10.99." not in host.linked()
    endpoints, _ = await apart.connect(db.id, db.netns, "bridge", EndpointSpec())
    assert await ask(endpoints["bridge"].ipv4, 5432, web.netns) == web.endpoint.ipv4


async def test_a_network_of_one_s_own_has_no_links(host: Host, apart: Networks, box: Callable[[], Box]) -> None:
    await apart.create(Wanted("shop", options=NetworkOptions(icc=False)))
    db = await box().attach(apart, name="db", links=Links(exposed=(DB,)), shop=EndpointSpec())
    web = await box().attach(apart, name="web", links=Links(calls=(db.id,)), shop=EndpointSpec())
    db.serve(5432)
    assert "elements" not in host.linked()
    await refused(db.endpoint.ipv4, 5432, web.netns)


async def test_links_over_several_bridges(apart: Networks, box: Callable[[], Box]) -> None:
    """Three are in the first bridge, the other two in a further one."""
    dbs = [await seat(box(), apart, f"db{n}", Links(exposed=(DB,))) for n in range(2)]
    webs = [await seat(box(), apart, "web0", Links(calls=(dbs[0].id,)))]
    dbs.append(await seat(box(), apart, "db2", Links(exposed=(DB,))))
    webs.append(await seat(box(), apart, "web1", Links(calls=(dbs[0].id, dbs[2].id))))
    for db in dbs:
        db.serve(5432)
    for web, db in ((webs[0], dbs[0]), (webs[1], dbs[0]), (webs[1], dbs[2])):
        assert await ask(db.endpoint.ipv4, 5432, web.netns) == web.endpoint.ipv4
    pairs = [(webs[0], dbs[1]), (webs[0], dbs[2]), (webs[1], dbs[1]), (dbs[0], dbs[1]), (dbs[0], dbs[2])]
    await asyncio.gather(*(refused(called.endpoint.ipv4, 5432, caller.netns) for caller, called in pairs))


async def test_the_next_daemon_finds_links_as_they_are(host: Host, box: Callable[[], Box]) -> None:
    killed = await host.daemon()
    db = await seat(box(), killed, "db", Links(exposed=(DB,)))
    web = await seat(box(), killed, "web", Links(calls=(db.id,)))
    gone = await seat(box(), killed, "gone", Links(calls=(db.id,)))
    db.serve(5432)
    await _kill(killed)
    assert await ask(db.endpoint.ipv4, 5432, web.netns) == web.endpoint.ipv4
    there = await host.daemon()
    assert await ask(db.endpoint.ipv4, 5432, web.netns) == web.endpoint.ipv4
    for each, links in ((web, Links(calls=(db.id,))), (db, Links(exposed=(DB,)))):
        await there.restore(each.id, each.endpoints, each.ports, netns=each.netns, links=links)
    assert f"linked4 {NAMES.bridge} . {gone.endpoint.ipv4} . {db.endpoint.ipv4} . tcp . 5432" in await there.sweep(
        [web.id, db.id]
    )
    assert await ask(db.endpoint.ipv4, 5432, web.netns) == web.endpoint.ipv4
    await refused(web.endpoint.ipv4, 80, db.netns)
    await there.teardown()
    await there.close()


async def test_containers_that_are_no_longer_kept_apart_and_again(host: Host, box: Callable[[], Box]) -> None:
    answers = f"ipv4/conf/{NAMES.bridge}/proxy_arp_pvlan"
    before = await host.daemon()
    db = await seat(box(), before, "db", Links(exposed=(DB,)))
    web = await seat(box(), before, "web", Links(calls=(db.id,)))
    for each in (db, web):
        each.serve(5432)
        each.serve(80)
    assert host.get(answers) == "1"
    await _kill(before)
    for icc in (True, False):
        now = await host.daemon(icc=icc)
        for each, links in ((web, Links(calls=(db.id,))), (db, Links(exposed=(DB,)))):
            await now.restore(each.id, each.endpoints, each.ports, netns=each.netns, links=links)
        await now.sweep([web.id, db.id])
        assert host.get(answers) == str(int(not icc))
        assert ("elements" in host.linked()) is not icc
        for each in (db, web):  # what it knew of its neighbours would grow old within half a minute
            in_netns(each.netns, lambda: subprocess.run(["ip", "neigh", "flush", "all"], check=True))
        assert await ask(db.endpoint.ipv4, 5432, web.netns) == web.endpoint.ipv4
        if icc:
            assert await ask(db.endpoint.ipv4, 80, web.netns) == web.endpoint.ipv4
            assert await ask(db.endpoint.ipv6, 80, web.netns) == web.endpoint.ipv6
            await _kill(now)
        else:
            await refused(db.endpoint.ipv4, 80, web.netns)
            await refused(db.endpoint.ipv6, 80, web.netns)
    await now.teardown()
    await now.close()


async def test_rules_that_another_took_away(host: Host, apart: Networks, box: Callable[[], Box]) -> None:
    db = await seat(box(), apart, "db", Links(exposed=(DB,)))
    first = await seat(box(), apart, "first", Links(calls=(db.id,)))
    db.serve(5432)
    db.serve(80)
    host.nft(f"delete table inet {NAMES.table}")
    second = await seat(box(), apart, "second", Links(calls=(db.id,)))
    for caller in (first, second):
        assert await ask(db.endpoint.ipv4, 5432, caller.netns) == caller.endpoint.ipv4
        await refused(db.endpoint.ipv4, 80, caller.netns)


async def test_a_neighbour_s_published_port(
    request: pytest.FixtureRequest, apart: Networks, box: Callable[[], Box]
) -> None:
    if "only-ipv4" in request.node.name:
        pytest.skip("translated in the bridge, to a port that is kept apart")
    one, two = await seat(box(), apart, "one"), await box().attach(apart, PortBinding(80), name="two")
    two.serve(80)
    assert await ask(apart.gateway, two.ports[0].host_port, one.netns) == apart.gateway


async def _kill(networks: Networks) -> None:
    """As SIGKILL leaves things; what the process itself held is closed."""
    networks._members.clear()
    await networks.close()
