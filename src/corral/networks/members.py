"""A container that is in networks now, and the addresses that networks have to give."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from corral.errors import CorralError, HostError
from corral.model.container import Endpoint, EndpointSpec, PortBinding
from corral.model.network import Network
from corral.networks.addresses import AddressPool, AnyAddress
from corral.networks.choose import refuses_ipv6
from corral.networks.dns.server import NameServer
from corral.networks.dns.upstream import Upstream
from corral.networks.places import Ways
from corral.networks.publish import Published, Target

REMEMBERED = 1024  # of those who have left a network, their addresses


@dataclass(frozen=True)
class Resolving:
    """Where a container's questions about the rest of the world go."""

    upstream: Upstream = field(default_factory=Upstream)
    dotted: bool = False


@dataclass(frozen=True)
class Links:
    """On the default network: `calls` are the ids of those that a container may call although its neighbours are kept
    apart, `exposed` the ports, with protocols, on which it may be called itself."""

    calls: tuple[str, ...] = ()
    exposed: tuple[tuple[int, str], ...] = ()


@dataclass
class Member:
    """A container that is in networks now. `ports` are those asked for, whether they can be led or not."""

    id: str
    name: str
    hostname: str
    ports: Sequence[PortBinding] = ()
    resolving: Resolving = field(default_factory=Resolving)
    links: Links = field(default_factory=Links)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    published: Published = field(default_factory=Published)
    server: NameServer | None = None

    def cables(self) -> dict[str, str]:
        """Network -> the host's end of the cable."""
        return {name: end.host_interface for name, end in self.endpoints.items() if end.host_interface}


class Addresses:
    """What a network has to give, in the order of its subnets."""

    def __init__(self, network: Network) -> None:
        name = f"{network.name} ({network.id})"
        self._pools = []
        for pool in network.pools:
            reserved = [ip_address(text) for text in (pool.gateway, *pool.aux.values()) if text]
            within = ip_network(pool.ip_range) if pool.ip_range else None
            self._pools.append(AddressPool(ip_network(pool.subnet), name, within=within, reserved=reserved))
        self._others: set[str] = set()  # endpoints with an address that is not theirs
        self._derived = network.builtin  # its IPv6 addresses follow from the others
        self._before: dict[str, tuple[str, str]] = {}  # container -> what it had, the last to leave last

    def take(self, spec: EndpointSpec, hosts: Collection[AnyAddress] = (), who: str = "") -> tuple[str, str]:
        """(IPv4, IPv6), as asked for or free, and then none of the `hosts`; "" for a family that the network does not
        have. All or nothing. Container `who` gets again what it had, if that is free: others may have looked up its
        name once and for all.
        """
        before4, before6 = self._before.get(who, ("", ""))
        ipv4 = self._one(4, spec.ipv4, hosts, before4)
        try:
            return ipv4, "" if self._derived or refuses_ipv6(spec) else self._one(6, spec.ipv6, hosts, before6)
        except CorralError:
            self.give(ipv4)
            raise

    def _one(self, version: int, wanted: str, hosts: Collection[AnyAddress], before: str) -> str:
        pools = [pool for pool in self._pools if pool.network.version == version]
        if wanted:
            self.claim(wanted)
            return wanted
        if before and any(pool.take_again(ip_address(before), hosts) for pool in pools):
            return before
        failure: HostError | None = None
        for pool in pools:
            try:
                return str(pool.take(hosts))
            except HostError as error:
                failure = error
        if failure:
            raise failure
        return ""

    def claim(self, text: str) -> None:
        address = ip_address(text)
        for pool in self._pools:
            if address in pool.network:
                pool.claim(address)
                return
        raise HostError(f"address {text} is in no subnet of the network")

    def give(self, *texts: str) -> None:
        for address in (ip_address(text) for text in texts if text):
            for pool in self._pools:
                if address in pool.network:
                    pool.give(address)

    def take_back(self, endpoint: Endpoint) -> None:
        """For a restarted daemon. CorralError for an address that is not ours, or another's: it stays that one's."""
        claimed: list[str] = []
        try:
            for text in (endpoint.ipv4, "" if self._derived else endpoint.ipv6):
                if text:
                    self.claim(text)
                    claimed.append(text)
        except CorralError:
            self.give(*claimed)
            self._others.add(endpoint.endpoint_id)
            raise

    def give_back(self, endpoint: Endpoint, who: str) -> None:
        """What an endpoint of container `who` has of the network's."""
        if endpoint.endpoint_id in self._others:
            self._others.remove(endpoint.endpoint_id)
            return
        self.give(endpoint.ipv4, endpoint.ipv6)
        self._before.pop(who, None)
        self._before[who] = endpoint.ipv4, endpoint.ipv6
        while len(self._before) > REMEMBERED:
            del self._before[next(iter(self._before))]


def plan_target(endpoints: Mapping[str, Endpoint], ways: Ways, networks: Mapping[str, Network]) -> Target | None:
    """Pure: where a container's ports are to lead; None where no network of its leads out by way of the host."""
    first, second = networks.get(ways.ipv4), networks.get(ways.ipv6)
    way4 = first if first and first.driver == "bridge" else None
    way6 = second if second and second.driver == "bridge" else None
    if way4 is None and way6 is None:
        return None
    return Target(
        ipv4=endpoints[way4.name].ipv4 if way4 else "",
        ipv6=endpoints[way6.name].ipv6 if way6 else "",
        mode4=way4.spec.options.gateway4 if way4 else "nat",
        mode6=way6.spec.options.gateway6 if way6 else "nat",
        host_ip=(way4 or way6).spec.options.host_ip if way4 or way6 else "",  # type: ignore[union-attr]
    )


def plan_links(links: Iterable[str]) -> dict[str, str]:
    """Pure: "NAME[:ALIAS]" of an endpoint as alias -> name.

    >>> plan_links(["db:database", "cache"])
    {'database': 'db', 'cache': 'cache'}
    """
    pairs = (link.partition(":") for link in links)
    return {alias or name: name for name, _, alias in pairs}
