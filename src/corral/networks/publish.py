"""The published ports of all containers of an instance: held on the host, and led to their containers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from corral.errors import Unsupported
from corral.model.container import BoundPort, PortBinding
from corral.model.network import GatewayMode
from corral.networks.holds import Held, hold_again, hold_first, release
from corral.networks.ports import Key, choice, families_of, key_of, parse_range, plan_binding
from corral.networks.relay import Relays
from corral.networks.rules import Element, plan_element, plan_routed


@dataclass(frozen=True)
class Target:
    """Where a container's ports lead: its addresses on the networks that lead out, and how those are reached.

    `host_ip` is the address of the host where ports are published that name none; "" is all of them.
    """

    ipv4: str = ""
    ipv6: str = ""
    mode4: GatewayMode = "nat"
    mode6: GatewayMode = "nat"
    host_ip: str = ""

    @property
    def families(self) -> frozenset[int]:
        return families_of(
            ipv4=bool(self.ipv4), ipv6=bool(self.ipv6), nat4=self.mode4 == "nat", nat6=self.mode6 == "nat"
        )


@dataclass
class Published:
    """What one container has of the host's ports."""

    target: Target = Target()
    ports: list[BoundPort] = field(default_factory=list)
    held: Held = field(default_factory=dict)
    elements: list[Element] = field(default_factory=list)


class Publisher:
    def __init__(self) -> None:
        self._taken: dict[Key, str] = {}  # and the name of the container that has it
        self._relays = Relays()
        self._last = 0  # the last port chosen freely

    def open(self, bindings: Sequence[PortBinding], target: Target, name: str = "") -> Published:
        """Takes all the ports, or none and raises HostError in Docker's words. `name` is the container's."""
        published = Published(target)
        try:
            for binding in sorted(bindings, key=choice):
                self._open_one(binding, target, published, name)
            published.elements += routed_elements(bindings, target)
        except BaseException:
            self.close(published)
            raise
        return published

    def _open_one(self, binding: PortBinding, target: Target, published: Published, name: str) -> None:
        families = target.families
        if binding.protocol == "sctp" and not target.ipv6:  # nothing relays it from the other family
            families -= {6}
        wanted = plan_binding(binding, ephemeral_ports(), self._last, families=families, host_ip=target.host_ip)
        if not wanted.host_ips:
            require_routed(binding, target)
            return
        held = hold_first(wanted, self._taken, target.ipv4 or target.ipv6)
        if not binding.host_port:
            self._last = next(iter(held)).host_port
        for key, handle in held.items():
            self._taken[key] = name
            published.held[key] = handle
            port = BoundPort(binding.port, binding.protocol, key.host_ip, key.host_port)
            self._lead(port, target, published)
            published.ports.append(port)

    def _lead(self, port: BoundPort, target: Target, published: Published) -> None:
        element = plan_element(port, target.ipv4, target.ipv6)
        handle = published.held.get(key_of(port))
        if element is not None:
            published.elements.append(element)
        if ":" in port.host_ip and port.protocol != "sctp" and handle is not None:
            self._relays.start(handle, (target.ipv4 or target.ipv6, port.port))

    def move(self, published: Published, bindings: Sequence[PortBinding], target: Target) -> None:
        """Leads the ports elsewhere; they stay the container's all the while. The rules are the caller's."""
        for handle in published.held.values():
            if handle is not None:
                self._relays.stop(handle)
        published.target, published.elements = target, []
        for port in published.ports:
            self._lead(port, target, published)
        published.elements += routed_elements(bindings, target)

    def reopen(
        self, ports: Iterable[BoundPort], bindings: Sequence[PortBinding], target: Target, name: str = ""
    ) -> Published:
        """Takes back what a container had before the daemon was restarted; nothing here fails."""
        published = Published(target)
        for port in ports:
            key = key_of(port)
            self._taken[key] = name
            published.held[key] = hold_again(key)
            self._lead(port, target, published)
            published.ports.append(port)
        published.elements += routed_elements(bindings, target)
        return published

    def close(self, published: Published) -> None:
        """Gives the ports back. The rules' entries are the caller's to take out."""
        for key, handle in published.held.items():
            self._taken.pop(key, None)
            if handle is not None:
                self._relays.stop(handle)
        release(published.held)

    async def shut(self) -> None:
        await self._relays.close()


def require_routed(binding: PortBinding, target: Target) -> None:
    """Unsupported for a port that is published on no address of the host, unless the network's mode wants it so.

    >>> require_routed(PortBinding(80, "sctp", host_ip="::1"), Target("10.0.0.2"))
    Traceback (most recent call last):
        ...
    corral.errors.Unsupported: sctp port 80 cannot be published on ::1: the container has no address of that family
    """
    six = ":" in binding.host_ip
    if binding.host_ip and not (target.ipv6 if six else target.ipv4) and "nat" in (target.mode4, target.mode6):
        where = f"{binding.protocol} port {binding.port} cannot be published on {binding.host_ip}"
        raise Unsupported(f"{where}: the container has no address of that family")


def routed_elements(bindings: Iterable[PortBinding], target: Target) -> list[Element]:
    """Pure: the ports that are reached without translation, where the network's gateway mode says so.

    >>> [e.key for e in routed_elements([PortBinding(80)], Target("10.0.0.2", "fd00::2", mode6="routed"))]
    ['fd00::2 . tcp . 80']
    """
    families = ((target.ipv4, target.mode4), (target.ipv6, target.mode6))
    routed = [address for address, mode in families if address and mode == "routed"]
    return [plan_routed(address, b.protocol, b.port) for address in routed for b in bindings]


def ephemeral_ports() -> range:
    """Where the host takes ports from when nobody asks for a number."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        return parse_range(file.read())
