"""Endpoints. Pure."""

from __future__ import annotations

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds import checks
from corral.model.kubernetes.kinds.cells import AGE, NONE, column
from corral.model.kubernetes.kinds.checks import PROTOCOLS, Problems, dns_label, dns_subdomain, each, listed, one_of
from corral.model.kubernetes.kinds.fields import fill_empty, has, indexed, number, objects, text
from corral.model.kubernetes.problems import required

_SHOWN = 3


def _default(obj: Object) -> None:
    for subset in objects(obj, "subsets"):
        for port in objects(subset, "ports"):
            fill_empty(port, "protocol", "TCP")


def _validate(obj: Object) -> Problems:
    for at, subset in indexed(obj, "subsets", "subsets"):
        if not objects(subset, "addresses") and not objects(subset, "notReadyAddresses"):
            yield required(at, "must specify `addresses` or `notReadyAddresses`")
        for key in ("addresses", "notReadyAddresses"):
            for address_at, address in indexed(subset, key, f"{at}.{key}"):
                yield from _address(address, address_at)
        several = len(objects(subset, "ports")) > 1
        for port_at, port in indexed(subset, "ports", f"{at}.ports"):
            yield from _port(port, several, port_at)


def _address(address: Object, path: str) -> Problems:
    ip = text(address, "ip")
    yield from list(checks.legacy_ip(ip, f"{path}.ip")) or checks.endpoint_ip(ip, f"{path}.ip")
    if name := text(address, "hostname"):
        yield from each(f"{path}.hostname", name, dns_label(name))
    if has(address, "nodeName"):
        yield from each(f"{path}.nodeName", text(address, "nodeName"), dns_subdomain(text(address, "nodeName")))


def _port(port: Object, needs_name: bool, path: str) -> Problems:
    name = text(port, "name")
    if name:
        yield from each(f"{path}.name", name, dns_label(name))
    elif needs_name:
        yield required(f"{path}.name")
    yield from each(f"{path}.port", number(port, "port"), names.port_number(number(port, "port")))
    yield from one_of(port, "protocol", path, PROTOCOLS)
    if has(port, "appProtocol"):
        yield from checks.label_name(text(port, "appProtocol"), f"{path}.appProtocol")


def _shown(obj: Object) -> str:
    """
    >>> _shown({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}, {"port": 81}]}]})
    '10.0.0.1:80,10.0.0.1:81'
    """
    found = []
    for subset in objects(obj, "subsets"):
        ips = [text(one, "ip") for one in objects(subset, "addresses")]
        ports = objects(subset, "ports")
        if not ports:
            found += ips
        for port in ports:
            found += [f"[{ip}]:{number(port, 'port')}" if ":" in ip else f"{ip}:{number(port, 'port')}" for ip in ips]
    return with_more(found, _SHOWN) if objects(obj, "subsets") else NONE


def with_more(found: list[str], most: int, separator: str = ",") -> str:
    """
    >>> with_more(["a", "b", "c", "d"], 3)
    'a,b,c + 1 more...'
    """
    shown = separator.join(found[:most])
    return f"{shown} + {len(found) - most} more..." if len(found) > most else shown


ENDPOINTS = Kind(
    default=_default,
    validate=listed(_validate),
    deprecated="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    has_generation=False,
    columns=(column("Endpoints", _shown), AGE),
    allow_create_on_update=True,
)
