"""What a service says where it says nothing, and what an update keeps. In place.

Follows SetDefaults_Service and pkg/registry/core/service/{strategy.go,storage/storage.go}.
"""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core.service import traits
from corral.model.kubernetes.kinds.core.service.traits import spec_of
from corral.model.kubernetes.kinds.fields import ensure, fill, fill_empty, has, keep, number, objects, part, text, texts

TIMEOUT = 10800


def default(service: Object) -> None:
    """
    >>> service = {"spec": {"ports": [{"port": 80}]}}; default(service); service["spec"]["ports"]
    [{'port': 80, 'protocol': 'TCP', 'targetPort': 80}]
    """
    spec = ensure(service, "spec")
    _affinity(spec)
    fill_empty(spec, "type", traits.CLUSTER_IP)
    for port in objects(spec, "ports"):
        fill_empty(port, "protocol", "TCP")
        fill_empty(port, "targetPort", number(port, "port"))
    if traits.is_external(spec):
        fill_empty(spec, "externalTrafficPolicy", "Cluster")
    if traits.needs_cluster_ip(spec):
        fill(spec, "internalTrafficPolicy", "Cluster")
    if text(spec, "type") == traits.LOAD_BALANCER:
        fill(spec, "allocateLoadBalancerNodePorts", True)
        for ingress in objects(part(service, "status", "loadBalancer"), "ingress"):
            if text(ingress, "ip"):
                fill(ingress, "ipMode", "VIP")
    ensure(ensure(service, "status"), "loadBalancer")


def _affinity(spec: Object) -> None:
    fill_empty(spec, "sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        fill(ensure(ensure(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds", TIMEOUT)


def prepare_update(new: Object, old: Object) -> None:
    """The new service keeps what was given to the old one, as far as its type still wants it."""
    keep(new, old, "status")
    spec, was = ensure(new, "spec"), spec_of(old)
    _patch_addresses(spec, was)
    _patch_ports(spec, was)
    _normalize_addresses(spec, was)
    _drop_by_type(spec, was)


def _patch_addresses(spec: Object, was: Object) -> None:
    if traits.needs_cluster_ip(was) and traits.needs_cluster_ip(spec):
        if not text(spec, "clusterIP"):
            keep(spec, was, "clusterIP")
        if not texts(spec, "clusterIPs") and text(spec, "clusterIP") == text(was, "clusterIP"):
            keep(spec, was, "clusterIPs")


def _patch_ports(spec: Object, was: Object) -> None:
    """Node ports stay with the names of their ports."""
    if traits.needs_node_ports(was) and traits.needs_node_ports(spec):
        given = {text(port, "name"): number(port, "nodePort") for port in objects(was, "ports")}
        used = {number(port, "nodePort") for port in objects(spec, "ports")} & set(given.values())
        for port in objects(spec, "ports"):
            before = given.get(text(port, "name"), 0)
            if not number(port, "nodePort") and before and before not in used:
                port["nodePort"] = before
                used.add(before)
    if traits.needs_health_check(was) and traits.needs_health_check(spec) and not number(spec, "healthCheckNodePort"):
        keep(spec, was, "healthCheckNodePort")


def _normalize_addresses(spec: Object, was: Object) -> None:
    """Clients that know `clusterIP` alone change it alone."""
    after, before = text(spec, "clusterIP"), text(was, "clusterIP")
    if after == before:
        if not texts(spec, "clusterIPs") and texts(was, "clusterIPs"):
            keep(spec, was, "clusterIPs")
    elif texts(spec, "clusterIPs") == texts(was, "clusterIPs"):
        if before and not after:
            spec.pop("clusterIPs", None)
        else:
            spec["clusterIPs"] = [after]


def _drop_by_type(spec: Object, was: Object) -> None:
    """What belonged to the old type goes with it, unless it was changed just now (then it is refused)."""
    if traits.needs_cluster_ip(was) and not traits.needs_cluster_ip(spec):
        if texts(spec, "clusterIPs") == texts(was, "clusterIPs"):
            spec.pop("clusterIPs", None)
            spec.pop("clusterIP", None)
        _drop_same(spec, was, "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
    if traits.may_have_node_ports(was) and not traits.may_have_node_ports(spec):
        _drop_node_ports(spec, was)
    if traits.needs_health_check(was) and not traits.needs_health_check(spec):
        _drop_same(spec, was, "healthCheckNodePort")
    if text(was, "type") == traits.LOAD_BALANCER != text(spec, "type"):
        _drop_same(spec, was, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if traits.is_external(was) and not traits.is_external(spec):
        _drop_same(spec, was, "externalTrafficPolicy")


def _drop_same(spec: Object, was: Object, *keys: str) -> None:
    for key in keys:
        if has(spec, key) and spec[key] == was.get(key):
            del spec[key]


def _drop_node_ports(spec: Object, was: Object) -> None:
    given = {number(port, "nodePort") for port in objects(was, "ports")}
    if {number(port, "nodePort") for port in objects(spec, "ports")} == given:
        for port in objects(spec, "ports"):
            port.pop("nodePort", None)
