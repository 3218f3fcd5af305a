"""Which records a service has. Pure.

Names are relative to the cluster's domain: "web.default.svc".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple

from corral.networks.dns.wire import AAAA, PTR, A, encode_name

Object = dict[str, Any]

CNAME, SOA, TXT, SRV, NS = 5, 6, 16, 33, 2
_SHARE = 100  # of the weights of a service's SRV records


class Entry(NamedTuple):
    """One record. `target`: the name that it leads to, relative to the domain; "" if it is none of ours."""

    type: int
    data: bytes
    target: str = ""


class Names(NamedTuple):
    """What a service brings: its records by name, and the names of addresses."""

    forward: dict[str, list[Entry]]
    reverse: dict[str, str]  # address -> name


class _Member(NamedTuple):
    address: str
    host: str
    ports: tuple[tuple[str, str, int], ...]  # (name, protocol in lower case, number)


def address_entry(address: str) -> Entry:
    """
    >>> address_entry("10.96.0.1")
    Entry(type=1, data=b'\\n`\\x00\\x01', target='')
    """
    parsed = ip_address(address)
    return Entry(A if parsed.version == 4 else AAAA, parsed.packed)


def plan_names(service: Object, slices: Iterable[Object], domain: str) -> Names:
    """
    >>> meta, ports = {"name": "web", "namespace": "default"}, [{"name": "http", "port": 80}]
    >>> names = plan_names({"metadata": meta, "spec": {"clusterIP": "10.96.0.7", "ports": ports}}, [], "cluster.local")
    >>> sorted(names.forward), names.reverse
    (['_http._tcp.web.default.svc', 'web.default.svc'], {'10.96.0.7': 'web.default.svc'})
    """
    spec = service["spec"]
    name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc".lower()
    if spec.get("type") == "ExternalName":
        target = spec.get("externalName", "").rstrip(".")
        return Names({name: [Entry(CNAME, encode_name(target))]}, {})
    if spec.get("clusterIP") == "None":
        members = list(_members(slices, bool(spec.get("publishNotReadyAddresses"))))
        return _headless(name, members, domain)
    addresses = [one for one in spec.get("clusterIPs") or [spec.get("clusterIP", "")] if one]
    if not addresses:
        return Names({}, {})
    found: dict[str, list[Entry]] = {name: [address_entry(one) for one in addresses]}
    for port in spec.get("ports") or ():
        entry = _srv(_SHARE, port["port"], name, domain)
        found[name].append(entry)
        if port.get("name"):
            found[_srv_name(port["name"], port.get("protocol", "TCP"), name)] = [entry]
    return Names(found, {str(ip_address(one)): name for one in addresses})


def _srv_name(port: str, protocol: str, name: str) -> str:
    return f"_{port}._{protocol}.{name}".lower()


def _srv(weight: int, port: int, target: str, domain: str) -> Entry:
    return Entry(SRV, struct.pack(">HHH", 0, weight, port) + encode_name(f"{target}.{domain}"), target)


def _members(slices: Iterable[Object], not_ready_too: bool) -> Iterable[_Member]:
    for piece in slices:
        if piece.get("addressType") not in ("IPv4", "IPv6"):
            continue
        ports = tuple(
            (p.get("name") or "", p.get("protocol", "TCP").lower(), p["port"])
            for p in piece.get("ports") or ()
            if p.get("port")
        )
        for end in piece.get("endpoints") or ():
            ready = (end.get("conditions") or {}).get("ready") is not False
            if ready or not_ready_too:
                address = str(ip_address(end["addresses"][0]))
                yield _Member(address, (end.get("hostname") or dashed(address)).lower(), ports)


def dashed(address: str) -> str:
    """
    >>> dashed("10.1.0.2"), dashed("fd00::2")
    ('10-1-0-2', 'fd00--2')
    """
    return address.replace(".", "-").replace(":", "-")


def undashed(label: str) -> str:
    """The address that a label says, "" for none.

    >>> undashed("10-1-0-2"), undashed("fd00--2"), undashed("web")
    ('10.1.0.2', 'fd00::2', '')
    """
    for sign in ".:":
        try:
            return str(ip_address(label.replace("-", sign)))
        except ValueError:
            continue
    return ""


def _headless(name: str, members: list[_Member], domain: str) -> Names:
    found: dict[str, list[Entry]] = {name: []}
    reverse = {}
    weight = max(1, _SHARE // max(1, len(members)))
    for member in sorted(set(members)):
        entry, host = address_entry(member.address), f"{member.host}.{name}"
        for place in (name, host):
            if entry not in found.setdefault(place, []):
                found[place].append(entry)
        reverse[member.address] = host
        for port, protocol, number in member.ports:
            record = _srv(weight, number, host, domain)
            for place in (name, _srv_name(port, protocol, name) if port else name):
                if record not in found.setdefault(place, []):
                    found[place].append(record)
    return Names(found, reverse)


__all__ = [
    "CNAME",
    "NS",
    "PTR",
    "SOA",
    "SRV",
    "TXT",
    "Entry",
    "Names",
    "address_entry",
    "dashed",
    "plan_names",
    "undashed",
]
