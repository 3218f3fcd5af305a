"""Which Services select a pod and which pods a Service selects, without looking at all of either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer, labels_match
from corral.cluster.client.protocol import Object

LABELS = "labels"
SELECTOR = "selector"


def label_keys(obj: Object) -> Iterator[str]:
    """Pure: what an object is found by: each of its labels.

    >>> list(label_keys({"metadata": {"namespace": "a", "labels": {"app": "web", "tier": "1"}}}))
    ['a/app=web', 'a/tier=1']
    """
    where = meta.namespace(obj)
    for key, value in (obj["metadata"].get("labels") or {}).items():
        yield f"{where}/{key}={value}"


def selector_keys(service: Object) -> Iterator[str]:
    """Pure: what a Service is found by: one of its selector's labels; whatever it selects has that label.

    >>> list(selector_keys({"metadata": {"namespace": "a"}, "spec": {"selector": {"tier": "1", "app": "web"}}}))
    ['a/app=web']
    """
    selector = service["spec"].get("selector")
    if selector:
        key = min(selector)
        yield f"{meta.namespace(service)}/{key}={selector[key]}"


def has_pods(service: Object) -> bool:
    """Pure: whether a Service is about the pods that it selects.

    >>> [has_pods({"spec": {"type": kind, "selector": {"a": "b"}}}) for kind in ("ClusterIP", "ExternalName")]
    [True, False]
    """
    return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"


def as_endpoint(pod: Object) -> tuple[object, ...]:
    """All of a pod that its endpoints depend on."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    conditions = [one["status"] for one in status.get("conditions") or () if one["type"] == "Ready"]
    placed = pod["spec"].get("nodeName"), pod["spec"].get("hostname"), pod["spec"].get("subdomain")
    addresses = status.get("podIPs"), status.get("podIP"), status.get("phase")
    return metadata.get("labels"), "deletionTimestamp" in metadata, conditions, *placed, *addresses, metadata.get("uid")


class Selecting:
    """Puts an index on each of the two informers."""

    def __init__(self, services: Informer, pods: Informer) -> None:
        self._services, self._pods = services, pods
        services.add_index(SELECTOR, selector_keys)
        pods.add_index(LABELS, label_keys)

    def services_of(self, pods: Iterable[Object | None]) -> set[str]:
        """The keys of the Services that select one of these states of a pod."""
        found = set()
        for pod in pods:
            if pod is None:
                continue
            labels = pod["metadata"].get("labels") or {}
            for key in label_keys(pod):
                for service in self._services.indexed(SELECTOR, key):
                    if labels_match(labels, service["spec"]["selector"]):
                        found.add(meta.key(service))
        return found

    def touched(self, old: Object | None, new: Object | None) -> set[str]:
        """The keys of the Services whose endpoints another state of a pod may change."""
        if old is not None and new is not None and as_endpoint(old) == as_endpoint(new):
            return set()
        return self.services_of((old, new))

    def pods_of(self, service: Object) -> list[Object]:
        """By name."""
        selector = service["spec"].get("selector") or {}
        found = [
            pod
            for key in selector_keys(service)
            for pod in self._pods.indexed(LABELS, key)
            if labels_match(pod["metadata"].get("labels") or {}, selector)
        ]
        return sorted(found, key=meta.name)
