"""The resources of metrics.k8s.io, and what a cluster has that serves them: an APIService, and a role to read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from corral.cluster.apiserver.authorization.defaults.reconcile import GROUP as RBAC
from corral.cluster.apiserver.boot.objects import Due, missing
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.measured.objects import COLUMNS, node_metrics, pod_metrics
from corral.cluster.apiserver.registry import Computed, Served
from corral.cluster.client.protocol import Collection
from corral.cluster.client.usage import Meter
from corral.model.kubernetes.kind import Kind
from corral.model.kubernetes.resources import Resource
from corral.model.kubernetes.schema import builtin
from corral.model.kubernetes.status import not_found

Object = dict[str, Any]
Now = Callable[[], datetime]
GROUP: Final = "metrics.k8s.io"
VERSION: Final = "v1beta1"
SERVICES: Final = Collection("apiregistration.k8s.io", "v1", "apiservices")
ROLES: Final = Collection(RBAC, "v1", "clusterroles")
_VERBS: Final = ("get", "list")


class NodesMetrics:
    """A `Computed` resource: of the nodes that there are and that measure."""

    def __init__(self, meter: Meter, lookup: Lookup, now: Now) -> None:
        self._meter, self._lookup, self._now = meter, lookup, now

    async def get(self, namespace: str, name: str) -> Object:
        if self._lookup.get("", "nodes", "", name) is None:
            raise not_found("nodes", name)
        found = next((one for one in await self.list("") if one["metadata"]["name"] == name), None)
        if found is None:
            raise not_found("nodemetrics", name, GROUP)
        return found

    async def list(self, namespace: str) -> Sequence[Object]:
        report = await self._meter.measure()
        known = ((usage, self._lookup.get("", "nodes", "", usage.name)) for usage in report.nodes)
        return [node_metrics(usage, node, self._now()) for usage, node in known if node is not None]


class PodsMetrics:
    """A `Computed` resource: of the pods that run, and whose containers are all measured."""

    def __init__(self, meter: Meter, lookup: Lookup, now: Now) -> None:
        self._meter, self._lookup, self._now = meter, lookup, now

    async def get(self, namespace: str, name: str) -> Object:
        if self._lookup.get("", "pods", namespace, name) is None:
            raise not_found("pods", name)
        found = next((one for one in await self.list(namespace) if one["metadata"]["name"] == name), None)
        if found is None:
            raise not_found("podmetrics", f"{namespace}/{name}", GROUP)
        return found

    async def list(self, namespace: str) -> Sequence[Object]:
        report = await self._meter.measure()
        found = []
        for usage in report.pods:
            pod = self._lookup.get("", "pods", usage.namespace, usage.name)
            if pod is not None and namespace in ("", usage.namespace) and _runs(pod):
                found.append(pod_metrics(usage, pod, self._now()))
        return found


def _runs(pod: Mapping[str, Any]) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running")


def served(meter: Meter, lookup: Lookup, now: Now) -> list[Served]:
    """Both resources, as the registry takes them."""
    nodes = Resource(GROUP, VERSION, "nodes", "", "NodeMetrics", "NodeMetricsList", False, _VERBS)
    pods = Resource(GROUP, VERSION, "pods", "", "PodMetrics", "PodMetricsList", True, _VERBS)
    return [_served(nodes, NodesMetrics(meter, lookup, now)), _served(pods, PodsMetrics(meter, lookup, now))]


def _served(resource: Resource, computed: Computed) -> Served:
    kind = Kind(has_status=False, has_generation=False, columns=COLUMNS)
    return Served(resource, kind, builtin().schema(resource.gvk), resource.gvk, computed=computed)


def api_service() -> Object:
    """Pure: says who serves the group: this server itself, so it names no Service. The priorities are upstream's."""
    spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100}
    return {"metadata": {"name": f"{VERSION}.{GROUP}"}, "spec": spec}


def reader_role() -> Object:
    """Pure: who may view, edit or administrate a namespace may see what its pods use."""
    labels = {f"rbac.authorization.k8s.io/aggregate-to-{one}": "true" for one in ("admin", "edit", "view")}
    rule = {"apiGroups": [GROUP], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}
    return {"metadata": {"name": "system:aggregated-metrics-reader", "labels": labels}, "rules": [rule]}


def plan_objects(lookup: Lookup) -> list[Due]:
    """Pure: what must be made. What somebody has changed stays: an APIService of another server, for one."""
    return missing(lookup, [(SERVICES, api_service()), (ROLES, reader_role())])
