"""The objects of a new cluster, and how they get there: what is missing is made at each start."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.authorization.defaults.reconcile import GROUP as RBAC
from corral.cluster.apiserver.authorization.defaults.reconcile import plan_defaults
from corral.cluster.apiserver.boot.flows import flow_schemas, priority_levels
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.client.protocol import Client, Collection
from corral.model.kubernetes.addresses import Network
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]
NAMESPACES: Final = Collection("", "v1", "namespaces")
SERVICES: Final = Collection("", "v1", "services")
CIDRS: Final = Collection("networking.k8s.io", "v1", "servicecidrs")
PRIORITIES: Final = Collection("scheduling.k8s.io", "v1", "priorityclasses")
LEVELS: Final = Collection("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations")
FLOWS: Final = Collection("flowcontrol.apiserver.k8s.io", "v1", "flowschemas")
CONFIGS: Final = Collection("", "v1", "configmaps")
FIRST: Final = ("default", "kube-system", "kube-public", "kube-node-lease")


class Due(NamedTuple):
    """An object that must be written: made, unless it has a resourceVersion. `replaces`: delete what is there first."""

    where: Collection
    object: Object
    replaces: bool = False


def kubernetes_service(address: str, port: int) -> Object:
    """Pure: the Service under which pods find this server."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]
    spec = {"clusterIP": address, "clusterIPs": [address], "ports": ports, "type": "ClusterIP"}
    return {"metadata": {"name": "kubernetes", "namespace": "default", "labels": labels}, "spec": spec}


def service_cidr(networks: Sequence[Network]) -> Object:
    """Pure: the ranges that Services get their addresses from, as the API shows them."""
    return {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [str(one) for one in networks]}}


def priority_classes() -> list[Object]:
    """Pure: the classes of what the cluster itself needs."""
    cluster = "For pods that the cluster cannot do without, on whichever node they run."
    node = "For pods that their node cannot do without."
    return [
        {"metadata": {"name": "system-cluster-critical"}, "value": 2000000000, "description": cluster},
        {"metadata": {"name": "system-node-critical"}, "value": 2000001000, "description": node},
    ]


def plan_boot(lookup: Lookup, networks: Sequence[Network], port: int) -> list[list[Due]]:
    """Pure: what must be written, in steps; the objects of one step do not need each other."""
    wanted: list[tuple[Collection, Object]] = [(NAMESPACES, {"metadata": {"name": name}}) for name in FIRST]
    later = [(PRIORITIES, one) for one in priority_classes()] + [(LEVELS, one) for one in priority_levels()]
    later += [(FLOWS, one) for one in flow_schemas()] + [(CIDRS, service_cidr(networks))]
    grown = second_family(lookup, networks)
    later.append((SERVICES, kubernetes_service(str(networks[0][1]), port)))
    steps = [missing(lookup, wanted), missing(lookup, later) + grown]
    roles: list[Due] = []
    bindings: list[Due] = []
    for plural, one in plan_defaults(lookup):
        made = copy.deepcopy(one)
        replaces = bool(made["metadata"].get("uid")) and not made["metadata"].get("resourceVersion")
        if replaces:
            del made["metadata"]["uid"]
        due = Due(Collection(RBAC, "v1", plural), made, replaces)
        (bindings if plural.endswith("bindings") else roles).append(due)
    return [step for step in (*steps, roles, bindings) if step]


def second_family(lookup: Lookup, networks: Sequence[Network]) -> list[Due]:
    """Pure: the update of the ServiceCIDR `kubernetes` of a cluster that gets one more family; it changes in no other
    way."""
    found, cidrs = lookup.get(CIDRS.group, CIDRS.plural, "", "kubernetes"), [str(one) for one in networks]
    if found is None or len(cidrs) != 2 or found["spec"]["cidrs"] != cidrs[:1]:
        return []
    return [Due(CIDRS, {**found, "spec": {**found["spec"], "cidrs": cidrs}})]


def missing(lookup: Lookup, wanted: list[tuple[Collection, Object]]) -> list[Due]:
    """Pure: what of it is not there."""
    found = []
    for where, one in wanted:
        metadata = one["metadata"]
        if lookup.get(where.group, where.plural, metadata.get("namespace", ""), metadata["name"]) is None:
            found.append(Due(where, one))
    return found


def plan_current(lookup: Lookup, where: Collection, wanted: Object) -> list[list[Due]]:
    """Pure: what makes a ConfigMap that is ours say what it must; other keys of it are left alone."""
    metadata = wanted["metadata"]
    found = lookup.get(where.group, where.plural, metadata.get("namespace", ""), metadata["name"])
    if found is None:
        return [[Due(where, wanted)]]
    data = found.get("data") or {}
    changed = {**data, **wanted["data"]}
    return [[Due(where, {**found, "data": changed})]] if changed != data else []


async def write(client: Client, steps: list[list[Due]]) -> None:
    """Does what `plan_boot` has found. StatusError."""
    for step in steps:
        await asyncio.gather(*(_write_one(client, due) for due in step))


async def _write_one(client: Client, due: Due) -> None:
    metadata = due.object["metadata"]
    if metadata.get("resourceVersion"):
        await client.update(due.where, due.object)
        return
    if due.replaces:
        await client.delete(due.where, metadata["name"], metadata.get("namespace", ""))
    try:
        await client.create(due.where, due.object)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
