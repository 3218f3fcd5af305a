"""The Service kube-dns, and the EndpointSlice that says where it leads."""

from __future__ import annotations

import logging

from corral.cluster.client.builtin import ENDPOINT_SLICES, SERVICES
from corral.cluster.client.protocol import APPLY_PATCH, Client, Object
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.dns")

NAME, NAMESPACE, MANAGER = "kube-dns", "kube-system", "corral-dns"
LABELS = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))


def plan_service(cluster_ip: str) -> Object:
    """Pure. It has no selector: who leads where is said by `plan_slice`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "clusterIP": cluster_ip,
            "ports": [{"name": name, "port": 53, "protocol": protocol} for name, protocol in _PORTS],
        },
    }


def plan_slice(address: str, port: int) -> Object:
    """Pure.

    >>> plan_slice("10.64.0.1", 5353)["endpoints"]
    [{'addresses': ['10.64.0.1'], 'conditions': {'ready': True}}]
    """
    labels = {"kubernetes.io/service-name": NAME, "endpointslice.kubernetes.io/managed-by": MANAGER}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{NAME}-{MANAGER}", "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv6" if ":" in address else "IPv4",
        "ports": [{"name": name, "port": port, "protocol": protocol} for name, protocol in _PORTS],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }


async def keep_service(client: Client, cluster_ip: str, address: str, port: int) -> None:
    """Writes both as they are to be. Who made another Service of that name is left alone, and told in the log."""
    wanted = ((SERVICES, plan_service(cluster_ip)), (ENDPOINT_SLICES, plan_slice(address, port)))
    for of, obj in wanted:
        try:
            await client.patch(
                of, obj["metadata"]["name"], NAMESPACE, patch=obj, type=APPLY_PATCH, field_manager=MANAGER, force=True
            )
        except StatusError as error:
            log.error("%s %s: %s", of.plural, obj["metadata"]["name"], error)
