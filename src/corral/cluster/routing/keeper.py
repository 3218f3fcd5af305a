"""Keeps this machine's routes to the pods of other nodes as the Node objects want them."""

from __future__ import annotations

import asyncio
import ipaddress
import logging

from corral.cluster.client.builtin import NODES
from corral.cluster.client.informers import Informers
from corral.cluster.client.protocol import Object
from corral.cluster.routing.plan import AnyAddress, AnyNetwork, Routes, plan_routes
from corral.errors import CorralError
from corral.linux.links import add_route, delete_route
from corral.linux.netlink import Netlink

log = logging.getLogger("corral.routes")


class RouteKeeper:
    """`run` until it is cancelled; the routes stay, as running pods need them."""

    def __init__(self, informers: Informers, own: str) -> None:
        self._nodes, self._own = informers.of(NODES), own
        self._changed = asyncio.Event()
        self._made: dict[AnyNetwork, AnyAddress] = {}
        self._told: set[tuple[str, str]] = set()
        self._nodes.on_change(self._node_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or _matters(old) != _matters(new):
            self._changed.set()

    async def run(self) -> None:
        await self._nodes.synced.wait()
        while True:
            self._changed.clear()
            if len(self._nodes) > 1 or self._made:
                try:
                    await asyncio.to_thread(self._keep, list(self._nodes.all()))
                except CorralError as error:
                    log.error("routes to other nodes: %s", error.message)
            await self._changed.wait()

    def _keep(self, nodes: list[Object]) -> None:
        with Netlink() as netlink:
            found = plan_routes(nodes, self._own, read_links(netlink))
            for subnet in [one for one in self._made if one not in found.wanted]:
                netlink.do(delete_route(subnet))
                del self._made[subnet]
            for subnet, address in found.wanted.items():
                if self._made.get(subnet) != address:
                    netlink.do(add_route(address, to=subnet, replace=True))
                    self._made[subnet] = address
        self._tell(found)

    def _tell(self, found: Routes) -> None:
        for name, address in set(found.unreached) - self._told:
            log.warning("%s", describe_unreached(name, address))
        self._told = set(found.unreached)


def describe_unreached(name: str, address: str) -> str:
    """
    >>> describe_unreached("b", "192.0.2.7")[:64]
    'node b (192.0.2.7) is on no network that this machine is on: its'
    """
    return (
        f"node {name} ({address}) is on no network that this machine is on: its pods would need a tunnel (VXLAN), "
        "which is not supported"
    )


def read_links(netlink: Netlink) -> list[AnyNetwork]:
    """The networks that this machine is on, by its own addresses; the loopback's is none."""
    found = [ipaddress.ip_network(f"{address}/{prefix}", strict=False) for _, address, prefix in netlink.addresses()]
    return [one for one in found if not one.is_loopback and not one.is_link_local]


def _matters(node: Object) -> object:
    return (node.get("spec") or {}).get("podCIDRs"), (node.get("status") or {}).get("addresses")
