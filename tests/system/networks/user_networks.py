"""What the tests of user-made networks ask with, and the names that their networks have on the host."""

from __future__ import annotations

import asyncio
import os
import socket

from corral.linux.namespaces import in_netns
from corral.linux.netlink import Netlink
from corral.model.container import EndpointSpec
from corral.networks import InstanceNames
from corral.networks.dns import wire
from tests.system.networks.box import LONG, Box

NAMES = InstanceNames(f"{os.getpid() & 0xFFFF:04x}u")
HERE = EndpointSpec()


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
