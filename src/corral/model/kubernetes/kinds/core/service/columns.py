"""How `kubectl get services` shows a service. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.cells import AGE, NONE, at, column, format_labels, wide
from corral.model.kubernetes.kinds.core.service.traits import EXTERNAL, LOAD_BALANCER, TYPES, spec_of
from corral.model.kubernetes.kinds.fields import number, objects, part, text, texts


def balancer_addresses(obj: Object) -> list[str]:
    """The addresses or names of a load balancer, of a service or an Ingress."""
    found = objects(part(obj, "status", "loadBalancer"), "ingress")
    return sorted({text(one, "ip") or text(one, "hostname") for one in found} - {""})


def _external(service: Object) -> str:
    """
    >>> _external({"spec": {"type": "LoadBalancer"}})
    '<pending>'
    """
    spec = spec_of(service)
    kind, ips = text(spec, "type"), texts(spec, "externalIPs")
    if kind == EXTERNAL:
        return text(spec, "externalName")
    if kind == LOAD_BALANCER:
        return ",".join([*balancer_addresses(service), *ips]) or "<pending>"
    return (",".join(ips) or NONE) if kind in TYPES else "<unknown>"


def _ports(service: Object) -> str:
    return ",".join(map(_port, objects(spec_of(service), "ports"))) or NONE


def _port(port: Object) -> str:
    node = f":{number(port, 'nodePort')}" if number(port, "nodePort") > 0 else ""
    return f"{number(port, 'port')}{node}/{text(port, 'protocol')}"


def _address(service: Object) -> str:
    return next(iter(texts(spec_of(service), "clusterIPs")), NONE)


COLUMNS = (
    column("Type", at("spec", "type")),
    column("Cluster-IP", _address),
    column("External-IP", _external),
    column("Port(s)", _ports),
    AGE,
    wide("Selector", lambda service: format_labels(spec_of(service), "selector")),
)
