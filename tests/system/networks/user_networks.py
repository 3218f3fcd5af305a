"""What the tests of user-made networks ask with, and the names that their networks have on the host."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import tempfile
from collections.abc import Callable
from ipaddress import IPv4Network, ip_network

from corral.linux.namespaces import in_netns
from corral.linux.netlink import Netlink
from corral.model.container import EndpointSpec
from corral.model.network import Network, NetworkSpec, Pool
from corral.networks import InstanceNames, Networks
from corral.networks.dns import wire
from tests.system.networks.box import LONG, Box

NAMES = InstanceNames(f"{os.getpid() & 0xFFFF:04x}u")
HERE = EndpointSpec()
RANGE = IPv4Network("10.123.0.0/16")


def left() -> list[str]:
    with Netlink() as netlink:
        found = netlink.links()
    ours = (NAMES.bridge, NAMES.user_bridge("")[:7])
    marked = [link.name for link in found if NAMES.network_of(link.alias) or link.name.startswith(ours)]
    return marked + [link.name for link in found if NAMES.veth_owner(link.name) or NAMES.is_further(link.name)]


def query(name: str, kind: int, *, tcp: bool = False, size: int = 0) -> tuple[int, bool, list[str]]:
    question = wire.ask(name, kind, id=7, size=size)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as asking:
        asking.settimeout(LONG)
        asking.connect(("127.0.0.11", 53))
        asking.sendall(len(question).to_bytes(2, "big") + question if tcp else question)
        reply = asking.recv(4096)
    return wire.read_answer(reply[2:] if tcp else reply)


async def lookup(box: Box, name: str, kind: int = wire.A, *, tcp: bool = False) -> tuple[int, list[str]]:
    """What a program in the box is told: code and answers."""
    code, _, found = await asyncio.to_thread(lambda: in_netns(box.netns, lambda: query(name, kind, tcp=tcp)))
    return code, found


async def create_own(
    networks: Networks, name: str, prefix: int = 24, plan: Callable[[IPv4Network], Pool] = lambda free: Pool(str(free))
) -> Network:
    """A network of a subnet that it asks for, as who wants certain addresses must: one that nobody on this host has.

    A subnet that is asked for is not refused for what others have, so runs beside this one choose in turn.
    """
    turn = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        ours = [ip_network(pool.subnet) for info in networks.info() for pool in info.network.pools]
        taken = [each for each in [*await networks.taken(), *ours] if isinstance(each, IPv4Network)]
        free = next(one for one in RANGE.subnets(new_prefix=prefix) if not any(one.overlaps(each) for each in taken))
        return await networks.create(NetworkSpec(name, pools=[plan(free)]))
    finally:
        os.close(turn)
