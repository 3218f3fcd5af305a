"""Values of CEL that JSON has no type for: quantities, addresses, URLs, the authorizer. Pure, but for the last.

In an expression each is a map with one key that no object has (`KIND`), so that the library can carry it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from corral.model.kubernetes import addresses, quantity

Thing = dict[str, Any]
# Whether who asks may do something (a check with all that was gathered, the verb): the answer and its reason.
Decide = Callable[[Thing, str], tuple[bool, str]]
KIND: Final = "#kind"


def _thing(kind: str, **fields: Any) -> Thing:
    return {KIND: kind, **fields}


def need(thing: Thing, kind: str) -> Thing:
    """Raises ValueError when a function is called on something else."""
    if thing.get(KIND) != kind:
        raise ValueError("no such overload")
    return thing


def as_text(value: Any) -> Any:
    """What `string()` is to see of a value: the text of an address, everything else as it is."""
    return value["text"] if isinstance(value, dict) and value.get(KIND) in ("ip", "cidr") else value


# Quantities


def to_quantity(text: str) -> Thing:
    """
    >>> to_quantity("1Ki") == to_quantity("1024"), to_quantity("1k") == to_quantity("1Ki")
    (True, False)
    """
    try:
        found = quantity.parse(text)
    except quantity.NoQuantity as error:
        raise ValueError(error.message) from None
    return _thing("quantity", nanos=str(found.nanos), format="")


def read_quantity(thing: Thing) -> int:
    return int(need(thing, "quantity")["nanos"])


def from_nanos(nanos: int) -> Thing:
    return _thing("quantity", nanos=str(nanos), format="")


def as_integer(thing: Thing) -> int:
    nanos = read_quantity(thing)
    if nanos % 10**9 or abs(nanos // 10**9) >= 2**63:
        raise ValueError("cannot convert value to integer")
    return nanos // 10**9


# Addresses


def to_ip(text: str) -> Thing:
    found = addresses.parse_ip(text)
    if found is None or "%" in text:
        raise ValueError(f'IP Address "{text}" parse error during conversion from string: invalid')
    return _thing("ip", text=str(found))


def read_ip(thing: Thing) -> addresses.Address:
    return ipaddress.ip_address(need(thing, "ip")["text"])


def to_cidr(text: str) -> Thing:
    found = addresses.parse_cidr(text)
    if found is None:
        raise ValueError(f'network address parse error during conversion from string: "{text}"')
    address, network = found
    return _thing("cidr", text=f"{address}/{network.prefixlen}")


def read_cidr(thing: Thing) -> addresses.Network:
    return ipaddress.ip_network(need(thing, "cidr")["text"], strict=False)


def contains_cidr(thing: Thing, other: Thing) -> bool:
    outer, inner = read_cidr(thing), read_cidr(other)
    return outer.version == inner.version and outer.supernet_of(inner)  # type: ignore[arg-type]  # the same version


# URLs


def to_url(text: str) -> Thing:
    """
    >>> to_url("https://[::1]:80/a?b=c")["host"], to_url("https://x/a b")["path"]
    ('[::1]:80', '/a%20b')
    """
    try:
        found = urlsplit(text)
        port = found.port
    except ValueError as error:
        raise ValueError(f"URL parse error during conversion from string: {error}") from None
    if not (found.scheme and found.netloc) and not text.startswith("/"):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    query = {key: value for key, value in parse_qs(found.query, keep_blank_values=True).items()}
    host, path = found.netloc.rpartition("@")[2], quote(found.path, safe="/%:@!$&'()*+,;=~-._")
    name = found.hostname or ""
    return _thing(
        "url", scheme=found.scheme, host=host, name=name, port=str(port) if port else "", path=path, query=query
    )


# The authorizer: what is asked is gathered step by step


def authorizer(service_account: str = "") -> Thing:
    return _thing("authorizer", account=service_account)


def check_path(thing: Thing, path: str) -> Thing:
    if not path:
        raise ValueError("path must not be empty")
    return {**need(thing, "authorizer"), KIND: "path", "path": path}


def check_group(thing: Thing, group: str) -> Thing:
    return {**need(thing, "authorizer"), KIND: "group", "group": group}


def check_resource(thing: Thing, resource: str) -> Thing:
    return {**need(thing, "group"), KIND: "check", "resource": resource}


def with_field(field: str) -> Any:
    def change(thing: Thing, value: str) -> Thing:
        return {**need(thing, "check"), field: value}

    return change
