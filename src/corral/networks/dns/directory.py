"""Who is called what in which network, and what a container that asks is told. No sockets here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from corral.model.container import Endpoint
from corral.networks.dns.wire import AAAA, ANY, PTR, A, Record, encode_name, pointer_address


@dataclass
class _Names:
    """One network's: name -> endpoint id -> place, and address -> name."""

    by_name: dict[str, dict[str, Endpoint]] = field(default_factory=dict)
    by_address: dict[str, str] = field(default_factory=dict)


class Directory:
    """The names of the containers in the networks that have names. `version` is another after each change."""

    def __init__(self) -> None:
        self._networks: dict[str, _Names] = {}
        self.version = 0

    def add(self, network: str, endpoint: Endpoint) -> None:
        self.version += 1
        names = self._networks.setdefault(network, _Names())
        for name in endpoint.dns_names:
            names.by_name.setdefault(name.lower(), {})[endpoint.endpoint_id] = endpoint
        for address in (endpoint.ipv4, endpoint.ipv6):
            if address and endpoint.dns_names:
                names.by_address[str(ip_address(address))] = endpoint.dns_names[0]

    def remove(self, network: str, endpoint: Endpoint) -> None:
        self.version += 1
        names = self._networks.get(network, _Names())
        for name in endpoint.dns_names:
            holders = names.by_name.get(name.lower(), {})
            holders.pop(endpoint.endpoint_id, None)
            if not holders:
                names.by_name.pop(name.lower(), None)
        for address in (endpoint.ipv4, endpoint.ipv6):
            if address:
                names.by_address.pop(str(ip_address(address)), None)

    def find(self, network: str, name: str) -> list[Endpoint]:
        names = self._networks.get(network)
        return list(names.by_name.get(name, {}).values()) if names else []

    def name_of(self, network: str, address: str) -> str:
        names = self._networks.get(network)
        return names.by_address.get(address, "") if names else ""


@dataclass
class View:
    """What one container sees: the networks that it is in, and names that only it knows (links)."""

    networks: Sequence[str] = ()
    links: Mapping[str, Sequence[str]] = field(default_factory=dict)  # alias -> names of what it means


def resolve(directory: Directory, view: View, name: str, kind: int, turn: int = 0) -> list[Record] | None:
    """Pure but for what `directory` holds: the records for a name; [] for one that has none of this kind, None for a
    name that is not ours. `turn` rotates several addresses.

    >>> directory = Directory()
    >>> for n in (2, 3):
    ...     end = Endpoint("shop", "", f"e{n}", ipv4=f"10.0.0.{n}", dns_names=[f"web{n}", "web"])
    ...     directory.add("shop", end)
    >>> view = View(["shop"])
    >>> [record.data[-1] for record in resolve(directory, view, "web", A, turn=1)]
    [3, 2]
    >>> resolve(directory, view, "web2.shop", AAAA), resolve(directory, view, "example.org", A)
    ([], None)
    >>> resolve(directory, view, "3.0.0.10.in-addr.arpa", PTR)[0].data
    b'\\x04web3\\x04shop\\x00'
    """
    address = pointer_address(name)
    if address:
        return _pointer(directory, view, address, kind)
    found = _endpoints(directory, view, name)
    if not found:
        return None
    start = turn % len(found)
    records = []
    for endpoint in found[start:] + found[:start]:
        if endpoint.ipv4 and kind in (A, ANY):
            records.append(Record(A, ip_address(endpoint.ipv4).packed))
        if endpoint.ipv6 and kind in (AAAA, ANY):
            records.append(Record(AAAA, ip_address(endpoint.ipv6).packed))
    return records


def _endpoints(directory: Directory, view: View, name: str) -> list[Endpoint]:
    for meant in view.links.get(name, ()):
        for network in view.networks:
            if found := directory.find(network, meant):
                return found
    for network in view.networks:
        if found := directory.find(network, name):
            return found
    for network in view.networks:  # "web.shop"; a network's name may have dots, too
        suffix = f".{network.lower()}"
        if name.endswith(suffix) and (found := directory.find(network, name.removesuffix(suffix))):
            return found
    return []


def _pointer(directory: Directory, view: View, address: str, kind: int) -> list[Record] | None:
    for network in view.networks:
        name = directory.name_of(network, address)
        if name:
            return [Record(PTR, encode_name(f"{name}.{network}"))] if kind in (PTR, ANY) else []
    return None
