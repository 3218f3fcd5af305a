"""The published ports of all containers of an instance: held on the host, and led to their containers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from corral.errors import Unsupported
from corral.model.container import BoundPort, Endpoint, PortBinding
from corral.networks.holds import Held, hold_again, hold_first, release
from corral.networks.ports import Key, key_of, parse_range, plan_binding
from corral.networks.relay import Relays
from corral.networks.rules import Element, plan_element


@dataclass
class Published:
    """What one container has of the host's ports."""

    ports: list[BoundPort] = field(default_factory=list)
    held: Held = field(default_factory=dict)
    elements: list[Element] = field(default_factory=list)


class Publisher:
    def __init__(self) -> None:
        self._taken: set[Key] = set()
        self._relays = Relays()
        self._last = 0  # the last port chosen freely

    def open(self, bindings: Sequence[PortBinding], endpoint: Endpoint) -> Published:
        """Takes all the ports, or none and raises HostError in Docker's words."""
        published = Published()
        try:
            for binding in bindings:
                self._open_one(binding, endpoint, published)
        except BaseException:
            self.close(published)
            raise
        return published

    def _open_one(self, binding: PortBinding, endpoint: Endpoint, published: Published) -> None:
        wanted = plan_binding(binding, ephemeral_ports(), self._last, ipv6=bool(endpoint.ipv6))
        held = hold_first(wanted, self._taken, endpoint.ipv4)
        if not binding.host_port:
            self._last = next(iter(held)).host_port
        for key, handle in held.items():
            self._taken.add(key)
            published.held[key] = handle
            self._lead(BoundPort(binding.port, binding.protocol, key.host_ip, key.host_port), endpoint, published)

    def _lead(self, port: BoundPort, endpoint: Endpoint, published: Published) -> None:
        element = plan_element(port, endpoint.ipv4, endpoint.ipv6)
        handle = published.held.get(key_of(port))
        if element is not None:
            published.elements.append(element)
        elif port.protocol == "sctp":
            raise Unsupported(f"sctp port {port.port} cannot be published on {port.host_ip} for an IPv4 container")
        if ":" in port.host_ip and port.protocol != "sctp" and handle is not None:
            self._relays.start(handle, (endpoint.ipv4, port.port))
        published.ports.append(port)

    def reopen(self, ports: Iterable[BoundPort], endpoint: Endpoint) -> Published:
        """Takes back what a container had before the daemon was restarted; nothing here fails."""
        published = Published()
        for port in ports:
            key = key_of(port)
            self._taken.add(key)
            published.held[key] = hold_again(key)
            self._lead(port, endpoint, published)
        return published

    def close(self, published: Published) -> None:
        """Gives the ports back. The rules' entries are the caller's to take out."""
        for key, handle in published.held.items():
            self._taken.discard(key)
            if handle is not None:
                self._relays.stop(handle)
        release(published.held)

    async def shut(self) -> None:
        await self._relays.close()


def ephemeral_ports() -> range:
    """Where the host takes ports from when nobody asks for a number."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        return parse_range(file.read())
