"""Containers that have ended, whose network namespaces have not: nothing of them is left in the network."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from corral.linux import links
from corral.linux.netlink import Netlink, Request
from corral.model.container import EndpointSpec
from corral.networks import InstanceNames, NetworkConfig, Networks
from corral.networks.lingering import _LINGERING, plan_left
from tests.system.networks.box import SHORT, Box, ask, restarted, take_down
from tests.system.networks.user_networks import create_own

pytestmark = pytest.mark.root

NAMES = InstanceNames(f"e{os.getpid() & 0xFFF:03x}")


@pytest.fixture
async def networks(tmp_path: Path) -> AsyncIterator[Networks]:
    made = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
    await made.setup()
    await create_own(made, "shop")
    yield made
    await take_down(made)


@pytest.fixture
async def box() -> AsyncIterator[Callable[[], Box]]:
    with ExitStack() as stack:
        yield lambda: Box(stack)


async def test_a_namespace_that_stays_does_not_answer_beside_whoever_has_its_address_next(
    networks: Networks, box: Callable[[], Box]
) -> None:
    """The kernel keeps one for minutes where a connection in it is not through, and its other end is silent."""
    other, old, new = await box().attach(networks, shop=EndpointSpec()), box(), box()
    await old.attach(networks, shop=EndpointSpec())
    old.serve(80)
    assert await ask(old.endpoint.ipv4, 80, other.netns) == other.endpoint.ipv4
    await networks.detach(old.id)
    await new.attach(networks, shop=EndpointSpec(ipv4=old.endpoint.ipv4))
    with pytest.raises(OSError):
        await ask(old.endpoint.ipv4, 80, other.netns, seconds=SHORT)
    new.serve(80)
    assert await ask(old.endpoint.ipv4, 80, other.netns) == other.endpoint.ipv4


async def test_what_an_ended_container_still_has_to_send_is_sent(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As to a client that reads slowly, when the program ends after its last answer."""
    monkeypatch.setattr("corral.networks.lingering._LINGERING", 1000)  # however long a busy machine takes to ask
    old, new = box(), box()
    await old.attach(networks, shop=EndpointSpec())
    old.serve(80)
    await networks.detach(old.id)
    await new.attach(networks, shop=EndpointSpec())
    assert new.endpoint.ipv4 != old.endpoint.ipv4
    assert await ask(old.endpoint.ipv4, 80) == networks.need("shop").pools[0].gateway


async def test_a_cable_that_does_not_go_with_its_namespace_is_taken_away(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.networks.lingering._LINGERING", 0)
    old, other = [await box().attach(networks, shop=EndpointSpec()) for _ in range(2)]
    await networks.detach(old.id)
    await networks._tasks.wait()
    with Netlink() as netlink:
        assert netlink.link(old.endpoint.host_interface) is None
        assert netlink.link(other.endpoint.host_interface) is not None


class Stuck:
    """A kernel that does not let go of one interface, until `free`. `tried`: what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.tried = "", list[str]()
        self._usual = links.delete_link
        monkeypatch.setattr(links, "delete_link", self._delete)

    def _delete(self, name: str) -> Request:
        self.tried.append(name)
        self.name = self.name or name
        if name != self.name:
            return self._usual(name)
        return replace(self._usual(name), kind=0xFFF0)  # a kind of request that no kernel knows

    def free(self) -> None:
        self.name = "none"


async def test_a_cable_that_cannot_be_taken_away_keeps_no_other_and_is_not_forgotten(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual, rounds, stuck = asyncio.sleep, asyncio.Queue[None](), Stuck(monkeypatch)
    waits = asyncio.Queue[None]()

    async def sleep(seconds: float) -> None:
        if seconds != _LINGERING:
            return await usual(seconds)
        waits.put_nowait(None)
        await rounds.get()

    monkeypatch.setattr(asyncio, "sleep", sleep)
    old = await box().attach(networks, shop=EndpointSpec(), bridge=EndpointSpec())
    cables = sorted(end.host_interface for end in old.endpoints.values())
    await networks.detach(old.id)
    for _ in range(2):  # told once, tried twice
        await waits.get()
        rounds.put_nowait(None)
    await waits.get()
    assert sorted(set(stuck.tried)) == cables and stuck.tried.count(stuck.name) == 2
    told = [record.getMessage() for record in caplog.records if stuck.name in record.getMessage()]
    assert len(told) == 1 and "set down, to be tried again" in told[0]
    with Netlink() as netlink:
        left = netlink.link(stuck.name)
        assert left is not None and not left.up and not left.master
        assert [netlink.link(name) is None for name in cables] == [name != stuck.name for name in cables]
        assert plan_left(netlink.links(), NAMES) == [stuck.name]
        name = stuck.name
        stuck.free()
        await networks.reconcile()  # as a repair does
        assert netlink.link(name) is None


async def test_a_cable_that_the_next_daemon_cannot_sweep_keeps_it_from_nothing(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = await box().attach(networks, bridge=EndpointSpec())
    name = old.endpoint.host_interface
    await networks.close()
    async with restarted(networks, tmp_path) as again:
        stuck = Stuck(monkeypatch)
        assert name in await again.sweep([])
        with Netlink() as netlink:
            assert netlink.link(name) is not None and stuck.name == name
            stuck.free()
            await again.reconcile()
            assert netlink.link(name) is None


async def test_a_container_leaves_a_network_though_its_cable_cannot_be_taken_away(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await box().attach(networks, shop=EndpointSpec())
    address, stuck = old.endpoint.ipv4, Stuck(monkeypatch)
    await networks.disconnect(old.id, old.netns, "shop")
    old.serve(80)
    with pytest.raises(OSError):
        await ask(address, 80, seconds=SHORT)
    stuck.free()
    await networks.reconcile()
    with Netlink.inside(old.netns) as inside:
        assert inside.link("eth0") is None


async def test_a_cable_that_is_let_go_once_more_has_its_time_anew(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a container that was started anew, and has ended again, meanwhile."""
    first, second, usual = await box().attach(networks, shop=EndpointSpec()), box(), asyncio.sleep
    name, there, second.id = first.endpoint.host_interface, list[bool](), first.id
    with Netlink() as netlink:

        async def sleep(seconds: float) -> None:
            if seconds != _LINGERING:
                return await usual(seconds)
            there.append(netlink.link(name) is not None)
            if len(there) == 1:
                netlink.do(links.delete_link(name))  # as when it goes with its namespace
                await second.attach(networks, shop=EndpointSpec())
                assert second.endpoint.host_interface == name
                await networks.detach(second.id)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        await networks.detach(first.id)
        await networks._tasks.wait()
        assert there == [True, True] and netlink.link(name) is None


async def test_a_cable_that_goes_keeps_the_others_from_nothing(networks: Networks, box: Callable[[], Box]) -> None:
    """It may do so at any moment while what others took away is made again."""
    gone, hurt = [await box().attach(networks, shop=EndpointSpec()) for _ in range(2)]
    hurt.serve(80)
    with Netlink() as netlink:
        netlink.do(links.delete_link(gone.endpoint.host_interface))
        netlink.do(links.set_link(hurt.endpoint.host_interface, up=False))
    await networks.reconcile()
    assert await ask(hurt.endpoint.ipv4, 80) == networks.info()[-1].network.pools[0].gateway
