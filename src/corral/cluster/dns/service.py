"""The Service kube-dns, and the EndpointSlices that say where it leads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from corral.cluster.client import meta
from corral.cluster.client.builtin import ENDPOINT_SLICES, SERVICES
from corral.cluster.client.members import Place, address_type, plan_groups, plan_slice_name
from corral.cluster.client.protocol import APPLY_PATCH, Client, Object
from corral.model.kubernetes.labels import SERVICE_NAME, SLICE_MANAGED_BY
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.dns")

NAME, NAMESPACE, MANAGER = "kube-dns", "kube-system", "corral-dns"
LABELS = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
SLICE = f"{NAME}-{MANAGER}"
_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))


def plan_service(cluster_ip: str) -> Object:
    """Pure. It has no selector: who leads where is said by `plan_slices`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "clusterIP": cluster_ip,
            "ports": [{"name": name, "port": 53, "protocol": protocol} for name, protocol in _PORTS],
        },
    }


def plan_slices(places: Iterable[Place]) -> list[Object]:
    """Pure: where the name servers are; another port or family is another slice.

    >>> [piece["endpoints"] for piece in plan_slices([Place("10.64.0.1", 5353)])]
    [[{'addresses': ['10.64.0.1'], 'conditions': {'ready': True}}]]
    """
    return [
        _plan_slice(plan_slice_name(SLICE, number, port, address_type(addresses)), addresses, port)
        for number, (port, addresses) in enumerate(plan_groups(places))
    ]


def _plan_slice(name: str, addresses: Sequence[str], port: int) -> Object:
    labels = {SERVICE_NAME: NAME, SLICE_MANAGED_BY: MANAGER}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "addressType": address_type(addresses),
        "ports": [{"name": name, "port": port, "protocol": protocol} for name, protocol in _PORTS],
        "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in addresses],
    }


def is_passing(error: StatusError) -> bool:
    """Pure: whether the same may be taken later, as when the store is away for a moment.

    >>> is_passing(StatusError(503, "ServiceUnavailable", "")), is_passing(StatusError(422, "Invalid", ""))
    (True, False)
    """
    return error.code >= 500 or error.code in (409, 429)


async def keep_service(client: Client, cluster_ip: str, places: Sequence[Place]) -> bool:
    """Writes all as they are to be: False if it is to be tried again. Who made another Service of that name is left
    alone, and told in the log."""
    done = True
    slices = plan_slices(places)
    types = {meta.name(one): one["addressType"] for one in slices}
    # of a slice it may not change: such a one is made anew
    await _delete_slices(client, lambda one: types.get(meta.name(one), one["addressType"]) != one["addressType"])
    wanted = [(SERVICES, plan_service(cluster_ip)), *((ENDPOINT_SLICES, one) for one in slices)]
    for of, obj in wanted:
        try:
            await client.patch(
                of, obj["metadata"]["name"], NAMESPACE, patch=obj, type=APPLY_PATCH, field_manager=MANAGER, force=True
            )
        except StatusError as error:
            done = done and not is_passing(error)
            log.error("%s %s: %s", of.plural, obj["metadata"]["name"], error)
    return await _delete_slices(client, lambda one: meta.name(one) not in types) and done


async def _delete_slices(client: Client, which: Callable[[Object], bool]) -> bool:
    """False if it is to be tried again."""
    selector = f"{SLICE_MANAGED_BY}={MANAGER}"
    try:
        for one in (await client.list(ENDPOINT_SLICES, NAMESPACE, label_selector=selector)).items:
            if which(one):
                await client.delete(ENDPOINT_SLICES, meta.name(one), NAMESPACE)
    except StatusError as error:
        if error.reason != "NotFound":
            log.error("slices of %s: %s", NAME, error)
        return not is_passing(error)
    return True
