"""Stand-ins for containers: network namespaces with servers in them, and a world outside."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from ipaddress import ip_address
from pathlib import Path

from corral.errors import HostError
from corral.kit.ids import new_id
from corral.linux import links
from corral.linux.namespaces import in_netns, new_netns
from corral.linux.netlink import Netlink
from corral.linux.nftables import Nft
from corral.model.container import BoundPort, Endpoint, EndpointSpec, NetworkSpec, PortBinding
from corral.model.network import Network
from corral.networks import Links, NetworkConfig, Networks, Resolving
from tests.support.wait import PATIENCE

OUTSIDE, HOST_OUTSIDE = "198.18.77.2", "198.18.77.1"
LONG = 30.0  # seconds, times PATIENCE, for an answer: the servers run in the same process, which may be held up
SHORT = 2.0  # where there is to be none


def has_table(name: str) -> bool:
    """Asked for by its name: a list of all tables may never come to an end on a host where others change theirs."""
    with closing(Nft()) as nft:
        try:
            nft.run(f"list table inet {name}")
        except HostError as error:
            assert "No such file or directory" in error.message, error
            return False
    return True


class Box:
    """A stand-in for a container: a namespace, and servers in it that answer who called."""

    def __init__(self, stack: ExitStack) -> None:
        self.id = new_id()
        self.netns = new_netns()
        self._stack = stack
        stack.callback(os.close, self.netns)
        self.endpoint = Endpoint("", "", "")
        self.endpoints: dict[str, Endpoint] = {}
        self.ports: list[BoundPort] = []

    async def attach(
        self,
        networks: Networks,
        *ports: PortBinding,
        name: str = "box",
        resolving: Resolving | None = None,
        links: Links | None = None,
        **wanted: EndpointSpec,
    ) -> Box:
        """Joins the networks named by keywords, or the default bridge."""
        spec = NetworkSpec(next(iter(wanted), "default"), wanted)
        self.endpoints, self.ports = await networks.attach(
            self.id, self.netns, spec, ports=ports, hostname="h", name=name, resolving=resolving, links=links
        )
        self.endpoint = next(iter(self.endpoints.values()))
        return self

    def serve(self, port: int, kind: int = socket.SOCK_STREAM, mark: str = "") -> None:
        """Answers each connection or datagram with the caller's address, after a mark."""

        def bind() -> socket.socket:
            server = socket.socket(socket.AF_INET6, kind)
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(("::", port))
            return server

        server = in_netns(self.netns, bind)
        server.setblocking(False)
        loop = asyncio.get_running_loop()
        if kind == socket.SOCK_STREAM:
            server.listen()
            loop.add_reader(server, _answer_connection, server)
        else:
            loop.add_reader(server, _answer_datagram, server, mark)
        self._stack.callback(server.close)
        self._stack.callback(loop.remove_reader, server)


def _answer_connection(server: socket.socket) -> None:
    connection, caller = server.accept()
    with connection:
        connection.sendall(caller[0].removeprefix("::ffff:").encode())


def _answer_datagram(server: socket.socket, mark: str) -> None:
    _, caller = server.recvfrom(100)
    server.sendto((mark + caller[0].removeprefix("::ffff:")).encode(), caller)


def _call(host: str, port: int, kind: int, seconds: float) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as client:
        client.settimeout(seconds * PATIENCE)
        client.connect((host, port))
        if kind == socket.SOCK_DGRAM:
            client.send(b"?")
        return client.recv(100).decode()


async def ask(
    host: str, port: int, netns: int | None = None, kind: int = socket.SOCK_STREAM, seconds: float = LONG
) -> str:
    """Whom the server at that address takes us for, when called from a namespace (None: the host)."""
    if netns is None:
        return await asyncio.to_thread(_call, host, port, kind, seconds)
    return await asyncio.to_thread(lambda: in_netns(netns, lambda: _call(host, port, kind, seconds)))


@contextmanager
def outside_world(host: str = HOST_OUTSIDE, neighbour: str = OUTSIDE, prefix: int = 24) -> Iterator[int]:
    """A neighbour of the host on a wire of its own, with a route to nothing else. The host may have no address ("")."""
    netns = new_netns()
    name = f"out{os.getpid()}"
    with Netlink() as netlink, Netlink.inside(netns) as there:
        netlink.do(links.add_veth(name, "eth0", netns, master=0))
        here = netlink.link(name)
        assert here is not None
        addresses = [links.add_address(here.index, ip_address(host), prefix)] if host else []
        netlink.batch([links.set_link(name, up=True), *addresses])
        eth = there.link("eth0")
        assert eth is not None
        up = links.set_link("eth0", up=True)
        there.batch([up, links.add_address(eth.index, ip_address(neighbour), prefix)])
        try:
            yield netns
        finally:
            netlink.do(links.delete_link(name))
            os.close(netns)


@asynccontextmanager
async def restarted(networks: Networks, state: Path, *made: Network) -> AsyncIterator[Networks]:
    """Those of the daemon that comes after the one whose `networks` are closed. Whatever becomes of the test, they are
    taken down: the next test would find them."""
    again = Networks(names=networks.names, config=NetworkConfig(), state_dir=str(state))
    try:
        await again.setup(made)
        yield again
    finally:
        await again.teardown()
        await again.close()


async def take_down(networks: Networks) -> None:
    """Also those that a test has closed, for a daemon that comes after: what is gone is fine."""
    if networks._wires is None:
        networks._thread = ThreadPoolExecutor(1)
    await networks.teardown()
    await networks.close()


def hear_repairs(networks: Networks) -> asyncio.Event:
    """Set after each reconciliation from now on."""
    repaired, reconcile = asyncio.Event(), networks.reconcile

    async def told() -> None:
        await reconcile()
        repaired.set()

    networks.reconcile = told  # type: ignore[method-assign]
    return repaired
