"""Being at 127.0.0.11, port 53, in a container's network. Blocks.

The sockets are on ports of their own, and a rule in the container's network leads port 53 of that address there: a
container that is a name server itself has port 53 of all its addresses free. The rule is kept there, with the
numbers in it: a restarted daemon takes the same, so that clients that hold on to one socket find it again.
"""

from __future__ import annotations

import contextlib
import re
import socket
from typing import NamedTuple

from corral.errors import HostError, from_oserror
from corral.linux.namespaces import in_netns
from corral.linux.nftables import Nft

ADDRESS = "127.0.0.11"
TABLE = "corral_names"
SECONDS = 20.0  # for a command: what a container has heaped up among its own rules keeps others waiting no longer
_LED = re.compile(r"(udp|tcp) dport 53 dnat to 127\.0\.0\.11:(\d+)")


class Door(NamedTuple):
    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


def open_door(netns: int, *, again: bool = False) -> Door:
    """Opens both sockets and leads to them. `again`: a former daemon may have done so."""
    return in_netns(netns, lambda: _open(again))


def _open(again: bool) -> Door:
    nft = Nft(seconds=SECONDS)
    try:
        led = _led(nft) if again else {}
        with contextlib.ExitStack() as undo:
            udp = undo.enter_context(_bind(socket.SOCK_DGRAM, led.get("udp", 0)))
            tcp = undo.enter_context(_bind(socket.SOCK_STREAM, led.get("tcp", 0)))
            ports = udp.getsockname()[1], tcp.getsockname()[1]
            if ports != (led.get("udp"), led.get("tcp")):
                nft.run(plan_rules(*ports))
            undo.pop_all()
        return Door(udp, tcp)
    finally:
        nft.close()


def _led(nft: Nft) -> dict[str, int]:
    try:
        return parse_ports(nft.run(f"list table ip {TABLE}"))
    except HostError:  # it is not there
        return {}


def parse_ports(listed: str) -> dict[str, int]:
    """Pure: where the rules lead.

    >>> parse_ports("ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:40001")
    {'udp': 40001}
    """
    return {protocol: int(port) for protocol, port in _LED.findall(listed)}


def plan_rules(udp: int, tcp: int) -> str:
    """Pure: in place of what is there."""
    return f"""add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
	chain ask {{
		type nat hook output priority -100; policy accept;
		ip daddr {ADDRESS} udp dport 53 dnat to {ADDRESS}:{udp}
		ip daddr {ADDRESS} tcp dport 53 dnat to {ADDRESS}:{tcp}
	}}
}}
"""


def _bind(kind: int, port: int) -> socket.socket:
    """At the port, or at any where it is taken."""
    for number in dict.fromkeys([port, 0]):
        handle = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            if kind == socket.SOCK_STREAM:
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            handle.bind((ADDRESS, number))
            if kind == socket.SOCK_STREAM:
                handle.listen(64)
        except OSError as error:
            handle.close()
            if number == 0:
                raise from_oserror("open the name server of a container", error) from error
            continue
        return handle
    raise HostError("open the name server of a container: no port is free")
