"""IP addresses and CIDRs: what is wrong with each, in upstream's words.

Follows k8s.io/apimachinery/pkg/util/validation/ip.go. Fields older than the strict rules take addresses that are not
in canonical form (`legacy_ip`, `legacy_cidr`); all others take the canonical form alone.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NO_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


@lru_cache(4096)  # those of a Service's endpoints are read again with each change of one
def parse_ip(value: str) -> Address | None:
    """Pure: the address, read loosely: leading zeros are ignored, and a mapped IPv4 address is one of IPv4.

    >>> parse_ip("010.0.0.1"), parse_ip("::ffff:1.2.3.4"), parse_ip("::1%eth0")
    (IPv4Address('10.0.0.1'), IPv4Address('1.2.3.4'), None)
    """
    if not value.isascii() or "%" in value:
        return None
    bare = re.sub(r"(?<![\w])0+(?=\d+(\.|$))", "", value) if "." in value else value
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def parse_cidr(value: str) -> tuple[Address, Network] | None:
    """Pure: the address and the network it lies in, read as loosely as `parse_ip` does."""
    text, _, length = value.rpartition("/")
    address = parse_ip(text)
    if address is None or not re.fullmatch("[0-9]{1,9}", length):
        return None
    bits = int(length) - (96 if address.version == 4 and ":" in text else 0)
    if not 0 <= bits <= address.max_prefixlen:
        return None
    return address, ipaddress.ip_network((address, bits), strict=False)


def pod_subnets(node: dict[str, Any]) -> list[Network]:
    """Pure: those of a Node's pods, in any form that the API takes.

    >>> pod_subnets({"spec": {"podCIDRs": ["10.244.1.9/24", "fd00:10:244:1::/64"]}})
    [IPv4Network('10.244.1.0/24'), IPv6Network('fd00:10:244:1::/64')]
    """
    found = [parse_cidr(one) for one in (node.get("spec") or {}).get("podCIDRs") or ()]
    return [one[1] for one in found if one is not None]


def legacy_ip(value: str, old: Collection[str] = ()) -> list[str]:
    """What is wrong with an address of a field that takes any form; nothing is with those of `old`."""
    if value in old:
        return []
    if parse_ip(value) is None:
        return [_NO_IP]
    if _zeros(value):
        return ["must not have leading 0s"]
    return ["must not be an IPv4-mapped IPv6 address"] if _mapped(value) else []


def ip(value: str) -> list[str]:
    """
    >>> ip("fd00::0001"), ip("10.1.2")
    (['must be in canonical form ("fd00::1")'], ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'])
    """
    return legacy_ip(value) or _canonical(value, str(parse_ip(value)))


def ip_warnings(field: str, value: str) -> list[str]:
    """The warnings for an address that `legacy_ip` took."""
    address = parse_ip(value)
    if address is None:
        return []
    if _zeros(value) or _mapped(value):
        return [f'{field}: non-standard IP address "{value}" is invalid: use "{address}"']
    if address.version == 6 and str(address) != value:
        return [f'{field}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{address}")']
    return []


def legacy_cidr(value: str, old: Collection[str] = ()) -> list[str]:
    if value in old:
        return []
    found = parse_cidr(value)
    if found is None:
        return [_NO_CIDR]
    address, network = found
    text, _, length = value.rpartition("/")
    if _zeros(text) or (length != "0" and length.startswith("0")):
        return ["must not have leading 0s in IP or prefix length"]
    if _mapped(text):
        return ["must not have an IPv4-mapped IPv6 address"]
    return [] if address == network.network_address else ["must not have bits set beyond the prefix length"]


def cidr(value: str) -> list[str]:
    """
    >>> cidr("10.0.0.1/8"), cidr("fd00::0/64")
    (['must not have bits set beyond the prefix length'], ['must be in canonical form ("fd00::/64")'])
    """
    found = parse_cidr(value)
    return legacy_cidr(value) or _canonical(value, str(found[1]) if found else "")


def cidr_warnings(field: str, value: str) -> list[str]:
    """The warnings for a CIDR that `legacy_cidr` took."""
    found = parse_cidr(value)
    if found is None:
        return []
    address, network = found
    text, _, length = value.rpartition("/")
    warnings = []
    if address != network.network_address:
        one = f"{address}/{address.max_prefixlen}"
        warnings.append(
            f'{field}: CIDR value "{value}" is ambiguous in this context (should be "{network}" or "{one}"?)'
        )
    if _zeros(text) or _mapped(text) or (length != "0" and length.startswith("0")):
        warnings.append(f'{field}: non-standard CIDR value "{value}" is invalid: use "{network}"')
    if not warnings and network.version == 6 and str(network) != value:
        return [f'{field}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{network}")']
    return warnings


def _canonical(value: str, form: str) -> list[str]:
    return [] if value == form else [f"must be in canonical form ({json.dumps(form)})"]


def _zeros(text: str) -> bool:
    """Whether an octet of IPv4 has a leading zero (a group of IPv6 may)."""
    octets = text.rpartition(":")[2].split(".") if "." in text else []
    return any(len(octet) > 1 and octet.startswith("0") for octet in octets)


def _mapped(text: str) -> bool:
    return ":" in text and isinstance(parse_ip(text), ipaddress.IPv4Address)
