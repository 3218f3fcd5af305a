"""What kind of service it is: which of addresses and ports it needs. Pure. Follows pkg/api/service/util.go."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import part, text, texts, values

CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"
TYPES = (CLUSTER_IP, EXTERNAL, LOAD_BALANCER, NODE_PORT)
NONE = "None"


def spec_of(service: Object) -> Object:
    return part(service, "spec")


def is_headless(spec: Object) -> bool:
    return texts(spec, "clusterIPs") == [NONE]


def needs_cluster_ip(spec: Object) -> bool:
    return text(spec, "type") in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER)


def needs_node_ports(spec: Object) -> bool:
    if text(spec, "type") == NODE_PORT:
        return True
    return text(spec, "type") == LOAD_BALANCER and spec.get("allocateLoadBalancerNodePorts") is not False


def may_have_node_ports(spec: Object) -> bool:
    return text(spec, "type") in (NODE_PORT, LOAD_BALANCER)


def is_external(spec: Object) -> bool:
    """Whether traffic comes from outside of the cluster."""
    return may_have_node_ports(spec) or (text(spec, "type") == CLUSTER_IP and bool(values(spec, "externalIPs")))


def needs_health_check(spec: Object) -> bool:
    """
    >>> needs_health_check({"type": "LoadBalancer", "externalTrafficPolicy": "Local"})
    True
    """
    return text(spec, "type") == LOAD_BALANCER and text(spec, "externalTrafficPolicy") == "Local"
