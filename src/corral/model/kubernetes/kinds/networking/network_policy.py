"""NetworkPolicy. Pure."""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes import addresses, names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, column, format_selector
from corral.model.kubernetes.kinds.checks import (
    Problems,
    each,
    label_selector,
    legacy_cidr,
    listed,
    optional_of,
)
from corral.model.kubernetes.kinds.fields import ensure, fill, has, indexed, number, objects, part, text, texts
from corral.model.kubernetes.problems import forbidden, invalid, not_supported, required

_TYPES = ("Ingress", "Egress")


def _default(obj: Object) -> None:
    """A policy is about what comes in; about what goes out, too, where it has rules for that."""
    spec = ensure(obj, "spec")
    for direction in ("ingress", "egress"):
        for rule in objects(spec, direction):
            for port in objects(rule, "ports"):
                fill(port, "protocol", "TCP")
    if not texts(spec, "policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if objects(spec, "egress") else [])]
    fill(spec, "podSelector", {})


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from label_selector(spec, "podSelector", "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for at, rule in indexed(spec, direction, f"spec.{direction}"):
            for port_at, port in indexed(rule, "ports", f"{at}.ports"):
                yield from _port(port, port_at)
            for peer_at, peer in indexed(rule, peers, f"{at}.{peers}"):
                yield from _peer(peer, peer_at)
    found = texts(spec, "policyTypes")
    if len(found) > len(_TYPES):
        yield invalid("spec.policyTypes", found, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(found):
        if kind not in _TYPES:
            yield not_supported(f"spec.policyTypes[{index}]", kind, _TYPES)


def _port(port: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _port({"port": "http", "endPort": 90}, "p")]
    ['p.endPort: Invalid value: 90: may not be specified when `port` is non-numeric']
    """
    yield from optional_of(port, "protocol", path, ("TCP", "UDP", "SCTP"))
    value, last = port.get("port"), port.get("endPort")
    if isinstance(value, int):
        yield from each(f"{path}.port", value, names.port_number(value))
        if last is not None:
            if last < value:
                yield invalid(f"{path}.endPort", last, "must be greater than or equal to `port`")
            yield from each(f"{path}.endPort", last, names.port_number(number(port, "endPort")))
        return
    if last is not None:
        missing = "is non-numeric" if value is not None else "is not specified"
        yield invalid(f"{path}.endPort", last, f"may not be specified when `port` {missing}")
    if isinstance(value, str):
        yield from each(f"{path}.port", value, names.port_name(value))


def _peer(peer: Object, path: str) -> Problems:
    found = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if has(peer, key)]
    for key in ("podSelector", "namespaceSelector"):
        yield from label_selector(peer, key, f"{path}.{key}")
    if isinstance(peer.get("ipBlock"), dict):
        yield from _block(peer["ipBlock"], f"{path}.ipBlock")
    if not found:
        yield required(path, "must specify a peer")
    elif "ipBlock" in found and len(found) > 1:
        yield forbidden(path, "may not specify both ipBlock and another peer")


def _block(block: Object, path: str) -> Problems:
    cidr = text(block, "cidr")
    if not cidr:
        yield required(f"{path}.cidr")
        return
    yield from legacy_cidr(cidr, f"{path}.cidr")
    whole = addresses.parse_cidr(cidr)
    if whole is None:
        return
    for index, one in enumerate(texts(block, "except")):
        at = f"{path}.except[{index}]"
        yield from legacy_cidr(one, at)
        inner = addresses.parse_cidr(one)
        if inner is not None and not _is_inside(inner[1], whole[1]):
            yield invalid(at, one, "must be a strict subset of `cidr`")


def _is_inside(inner: Any, outer: Any) -> bool:
    return bool(inner.version == outer.version and inner != outer and inner.subnet_of(outer))


NETWORK_POLICY = Kind(
    default=_default,
    validate=listed(_validate),
    columns=(column("Pod-Selector", lambda obj: format_selector(part(obj, "spec").get("podSelector"))), AGE),
)
