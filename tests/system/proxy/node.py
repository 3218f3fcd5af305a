"""A node of one's own: a network namespace with a bridge, pods on it, and a world outside; nothing of the host's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

from corral.cluster.client.builtin import ENDPOINT_SLICES, NETWORK_POLICIES, PODS, SERVICES
from corral.cluster.client.informers import Informers
from corral.cluster.client.protocol import Collection
from corral.cluster.controllers.endpointslice.plan import MANAGER
from corral.cluster.proxy import Proxy, ProxySettings
from corral.cluster.proxy.settings import PodNetwork
from corral.linux import links
from corral.linux.namespaces import in_netns, new_netns
from corral.linux.netlink import Netlink
from corral.linux.nftables import Nft
from corral.model.kubernetes.labels import SLICE_MANAGED_BY
from tests.support.fake_client import FakeClient

Object = dict[str, Any]

NODE = "node-1"
TABLE = "corral_px"
BRIDGE, MAC = "pods0", "02:42:0a:f4:00:01"
SUBNET4, SUBNET6 = "10.244.0.0/24", "fd00:244::/64"
GATEWAY4, GATEWAY6 = "10.244.0.1", "fd00:244::1"
OUTER, OUTER6, NODE_IP, NODE_IP6 = "192.0.2.2", "2001:db8::2", "192.0.2.1", "2001:db8::1"
UDP = socket.SOCK_DGRAM
LONG = 30.0  # seconds: the servers run in the same process, which may be held up
_SETTINGS = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv6/conf/default/accept_dad": "0"}


class Place:
    """A network namespace with servers in it, and from where one can call."""

    def __init__(self, stack: ExitStack, name: str, *addresses: str) -> None:
        self.name, self.addresses = name, addresses
        self.netns = new_netns()
        self._stack = stack
        stack.callback(os.close, self.netns)

    @property
    def ip(self) -> str:
        return self.addresses[0]

    def serve(self, port: int, kind: int = socket.SOCK_STREAM) -> None:
        """Answers each connection or datagram with its own name and the caller's address."""
        server = in_netns(self.netns, lambda: _bind(port, kind))
        loop = asyncio.get_running_loop()
        answer = _connection if kind == socket.SOCK_STREAM else _datagram
        loop.add_reader(server, answer, server, self.name)
        self._stack.callback(server.close)
        self._stack.callback(loop.remove_reader, server)

    async def ask(self, host: str, port: int, kind: int = socket.SOCK_STREAM, timeout: float = LONG) -> tuple[str, str]:
        """(who answered, whom it took us for). OSError."""
        return await asyncio.to_thread(lambda: in_netns(self.netns, lambda: _call(host, port, kind, timeout)))

    async def can(self, host: str, port: int, kind: int = socket.SOCK_STREAM) -> bool:
        """Whether there is an answer, also to who asks again: a first packet may be lost while a neighbour is looked
        for, and is repeated after a second. For where there is to be none: who is slow has none, either."""
        return await self._answered(host, port, kind, 0.5, 1.2)

    async def reaches(self, host: str, port: int, kind: int = socket.SOCK_STREAM) -> bool:
        """The same where there is to be one, however long it takes."""
        return await self._answered(host, port, kind, 0.5, 1.2, LONG)

    async def _answered(self, host: str, port: int, kind: int, *patiences: float) -> bool:
        for patience in patiences:
            with contextlib.suppress(OSError):
                await self.ask(host, port, kind, patience)
                return True
        return False

    async def names(self, host: str, port: int, times: int, kind: int = socket.SOCK_STREAM) -> list[str]:
        def work() -> list[str]:
            return [_call(host, port, kind, LONG)[0] for _ in range(times)]

        return await asyncio.to_thread(lambda: in_netns(self.netns, work))


def _bind(port: int, kind: int) -> socket.socket:
    server = socket.socket(socket.AF_INET6, kind)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    server.setblocking(False)
    if kind == socket.SOCK_STREAM:
        server.listen(64)
    return server


def _connection(server: socket.socket, name: str) -> None:
    connection, caller = server.accept()
    with connection:
        connection.sendall(f"{name} {caller[0].removeprefix('::ffff:')}".encode())


def _datagram(server: socket.socket, name: str) -> None:
    _, caller = server.recvfrom(100)
    server.sendto(f"{name} {caller[0].removeprefix('::ffff:')}".encode(), caller)


def _call(host: str, port: int, kind: int, timeout: float) -> tuple[str, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as client:
        client.settimeout(timeout)
        client.connect((host, port))
        if kind == UDP:
            client.send(b"?")
        name, _, seen = client.recv(100).decode().partition(" ")
        return name, seen


class Node(Place):
    """`api` is what the proxy sees; `pods` are made with `pod`."""

    def __init__(self, stack: ExitStack, *, filtered: bool = True) -> None:
        super().__init__(stack, "node", NODE_IP, NODE_IP6)
        self.api = FakeClient()
        self.outside = Place(stack, "outside", OUTER, OUTER6)
        self._netlink = Netlink.inside(self.netns)
        stack.callback(self._netlink.close)
        self._count, self._filtered = 0, filtered
        in_netns(self.netns, lambda: _settings(filtered))
        self._netlink.batch([links.add_bridge(BRIDGE, MAC), links.set_link(BRIDGE, up=True)])
        self._bridge = self._index(self._netlink, BRIDGE)
        self._give(self._netlink, BRIDGE, GATEWAY4, GATEWAY6)
        self._netlink.do(links.add_veth("up0", "eth0", self.outside.netns, master=0))
        self._give(self._netlink, "up0", NODE_IP, NODE_IP6)
        self._netlink.batch([links.add_route(ip_address(OUTER)), links.add_route(ip_address(OUTER6))])
        with Netlink.inside(self.outside.netns) as there:
            self._give(there, "eth0", OUTER, OUTER6)
            for subnet, way in (
                (SUBNET4, NODE_IP),
                (SUBNET6, NODE_IP6),
                ("10.96.0.0/12", NODE_IP),
                ("198.18.0.0/16", NODE_IP),
            ):
                there.do(links.add_route(ip_address(way), to=ip_network(subnet)))
        self.settings = ProxySettings(
            TABLE,
            (SUBNET4, SUBNET6),
            (PodNetwork(SUBNET4, MAC), PodNetwork(SUBNET6, MAC)),
            netns=self.netns,
        )

    @staticmethod
    def _index(netlink: Netlink, name: str) -> int:
        link = netlink.link(name)
        assert link is not None
        return link.index

    def _give(self, netlink: Netlink, name: str, *addresses: str) -> None:
        index = self._index(netlink, name)
        netlink.do(links.set_link(name, up=True))
        for address in addresses:
            netlink.do(links.add_address(index, ip_address(address), 64 if ":" in address else 24))

    def pod(self, name: str, namespace: str = "default", **labels: str) -> Place:
        """A pod on this node, known to the API, that answers on TCP and UDP port 8080."""
        self._count += 1
        n = self._count + 1
        place = Place(self._stack, name, f"10.244.0.{n}", f"fd00:244::{n}")
        self._netlink.do(links.add_veth(f"pod{n}", "eth0", place.netns, master=self._bridge))
        if self._filtered:  # then the bridge sends what is translated on without asking the network layer
            self._netlink.do(links.set_port(f"pod{n}", hairpin=True))
        with Netlink.inside(place.netns) as inside:
            self._give(inside, "eth0", *place.addresses)
            inside.batch([links.add_route(ip_address(GATEWAY4)), links.add_route(ip_address(GATEWAY6))])
        place.serve(8080)
        place.serve(8080, UDP)
        self.api.put(PODS, pod_object(name, namespace, NODE, place.addresses, labels))
        return place

    async def put(self, proxy: Proxy, *objects: Object) -> None:
        """Returns when the proxy's rules follow all that was put so far."""
        for one in objects:
            self.api.put(_collection(one), one)
        for of, version in self.api.written.items():
            await proxy.synced(str(version), of)

    def nft(self, text: str) -> str:
        def work() -> str:
            nft = Nft()
            try:
                return nft.run(text)
            finally:
                nft.close()

        return in_netns(self.netns, work)


def _collection(obj: Object) -> Collection:
    if "endpoints" in obj:
        return ENDPOINT_SLICES
    return NETWORK_POLICIES if "podSelector" in obj["spec"] else SERVICES


def _settings(filtered: bool) -> None:
    for name, value in _SETTINGS.items():
        with open(f"/proc/sys/net/{name}", "w") as file:
            file.write(value)
    path = "/proc/sys/net/bridge/bridge-nf-call-"
    for tables in ("iptables", "ip6tables"):
        if os.path.exists(path + tables):
            with open(path + tables, "w") as file:
                file.write("1" if filtered else "0")


def pod_object(name: str, namespace: str, node: str, addresses: tuple[str, ...], labels: dict[str, str]) -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}],
        },
        "status": {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": a} for a in addresses]},
    }


@contextmanager
def node(*, filtered: bool = True) -> Iterator[Node]:
    with ExitStack() as stack:
        yield Node(stack, filtered=filtered)


@asynccontextmanager
async def running(here: Node) -> AsyncIterator[Proxy]:
    """Its proxy; the rules stay when that ends."""
    informers = Informers(here.api.client)
    made = Proxy(informers, NODE, here.settings)
    tasks = [asyncio.create_task(informers.run()), asyncio.create_task(made.run())]
    await made.synced("0")
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        assert task.cancelled(), task.exception()
    await made.close()


# ------------------------------------------------------------------------------------------------------------ objects


def service(name: str, ip: str = "", *, ports: tuple[tuple[str, int, int], ...] = (), **spec: Any) -> Object:
    """`ports`: (protocol, port, node port); TCP and UDP port 80 by default."""
    wanted = ports or (("TCP", 80, 0), ("UDP", 80, 0))
    ips = spec.pop("ips", [ip])
    status = spec.pop("status", {})
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": ips[0],
            "clusterIPs": ips,
            "ports": [
                {"name": p.lower(), "protocol": p, "port": number, **({"nodePort": outer} if outer else {})}
                for p, number, outer in wanted
            ],
            **spec,
        },
        "status": status,
    }


def end(place: Place, family: int = 4, node: str = NODE, **conditions: bool) -> Object:
    address = place.addresses[0 if family == 4 else 1]
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True, **conditions}}


def piece(name: str, *ends: Object, family: int = 4, port: int = 8080) -> Object:
    """The EndpointSlice of a service."""
    return {
        "metadata": {
            "name": f"{name}-{family}",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name, SLICE_MANAGED_BY: MANAGER},
        },
        "addressType": f"IPv{family}",
        "ports": [{"name": p, "protocol": p.upper(), "port": port} for p in ("tcp", "udp")],
        "endpoints": list(ends),
    }
