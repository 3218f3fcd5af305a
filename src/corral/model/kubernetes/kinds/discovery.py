"""EndpointSlice, of the group discovery.k8s.io. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from corral.model.kubernetes import addresses, names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds import checks
from corral.model.kubernetes.kinds.cells import AGE, UNSET, at, column
from corral.model.kubernetes.kinds.checks import (
    PROTOCOLS,
    Problems,
    dns_label,
    dns_subdomain,
    each,
    immutable,
    label_value,
    listed,
    one_of,
)
from corral.model.kubernetes.kinds.core.endpoints import with_more
from corral.model.kubernetes.kinds.fields import fill, has, indexed, number, objects, part, text, texts
from corral.model.kubernetes.problems import duplicate, required, too_many

_ENDPOINTS, _ADDRESSES, _PORTS, _ZONES, _TOPOLOGY, _SHOWN = 1000, 100, 20000, 8, 16, 3


def _default(obj: Object) -> None:
    for port in objects(obj, "ports"):
        fill(port, "name", "")
        fill(port, "protocol", "TCP")


def _of_version(version: int) -> Callable[[str], Sequence[str]]:
    def check(value: str) -> Sequence[str]:
        found = addresses.parse_ip(value)
        wrong = found is None or found.version != version
        return [f"must be a valid IPv{version} address"] if wrong else addresses.ip(value)

    return check


_CHECKS: dict[str, Callable[[str], Sequence[str]]] = {
    "IPv4": _of_version(4),
    "IPv6": _of_version(6),
    "FQDN": names.fully_qualified_domain,
}


def _validate(obj: Object) -> Problems:
    kind = text(obj, "addressType")
    yield from one_of(obj, "addressType", "", ("FQDN", "IPv4", "IPv6"))
    if len(objects(obj, "endpoints")) > _ENDPOINTS:
        yield too_many("endpoints", len(objects(obj, "endpoints")), _ENDPOINTS)
    else:
        for at_one, endpoint in indexed(obj, "endpoints", "endpoints"):
            yield from _endpoint(endpoint, kind, at_one)
    if len(objects(obj, "ports")) > _PORTS:
        yield too_many("ports", len(objects(obj, "ports")), _PORTS)
        return
    seen: set[str] = set()
    for at_one, port in indexed(obj, "ports", "ports"):
        name = text(port, "name")
        if name:
            yield from each(f"{at_one}.name", name, dns_label(name))
        if name in seen:
            yield duplicate(f"{at_one}.name", name)
        seen.add(name)
        yield from one_of(port, "protocol", at_one, PROTOCOLS)
        if has(port, "port"):
            yield from each(f"{at_one}.port", number(port, "port"), names.port_number(number(port, "port")))
        if has(port, "appProtocol"):
            yield from checks.label_name(text(port, "appProtocol"), f"{at_one}.appProtocol")


def _endpoint(endpoint: Object, kind: str, path: str) -> Problems:
    found = texts(endpoint, "addresses")
    if not found:
        yield required(f"{path}.addresses", "must contain at least 1 address")
    elif len(found) > _ADDRESSES:
        yield too_many(f"{path}.addresses", len(found), _ADDRESSES)
    for index, address in enumerate(found):
        address_at = f"{path}.addresses[{index}]"
        if kind in _CHECKS:
            yield from each(address_at, address, _CHECKS[kind](address))
        if kind in ("IPv4", "IPv6") and addresses.parse_ip(address) is not None:
            yield from checks.endpoint_ip(address, address_at)
    for key, check in (("nodeName", dns_subdomain), ("hostname", dns_label)):
        if has(endpoint, key):
            yield from each(f"{path}.{key}", text(endpoint, key), check(text(endpoint, key)))
    if len(part(endpoint, "deprecatedTopology")) > _TOPOLOGY:
        yield too_many(f"{path}.deprecatedTopology", len(part(endpoint, "deprecatedTopology")), _TOPOLOGY)
    yield from checks.labels(endpoint, "deprecatedTopology", f"{path}.deprecatedTopology")
    for key in ("forZones", "forNodes"):
        yield from _hints(part(endpoint, "hints"), key, f"{path}.hints.{key}")


def _hints(hints: Object, key: str, path: str) -> Problems:
    if len(objects(hints, key)) > _ZONES:
        yield too_many(path, len(objects(hints, key)), _ZONES)
        return
    seen: set[str] = set()
    for at_one, hint in indexed(hints, key, path):
        name = text(hint, "name")
        if name in seen:
            yield duplicate(f"{at_one}.name", name)
        seen.add(name)
        yield from each(f"{at_one}.name", name, label_value(name))


def _ports(obj: Object) -> str:
    """
    >>> _ports({"ports": [{"port": 80}, {"name": "dns"}]}), _ports({})
    ('80,dns', '<unset>')
    """
    shown = []
    for port in objects(obj, "ports"):
        name = text(port, "name") if has(port, "name") else "*"
        shown.append(str(number(port, "port")) if has(port, "port") else name)
    return with_more(shown, _SHOWN) or UNSET


def _endpoints(obj: Object) -> str:
    found = [address for one in objects(obj, "endpoints") for address in texts(one, "addresses")]
    return with_more(found, _SHOWN) if found else UNSET


ENDPOINT_SLICE = Kind(
    default=_default,
    validate=listed(_validate),
    validate_update=listed(lambda new, old: immutable(new, old, "", "addressType")),
    columns=(
        column("AddressType", at("addressType")),
        column("Ports", _ports),
        column("Endpoints", _endpoints),
        AGE,
    ),
)
