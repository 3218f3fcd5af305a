"""Whom does a pod belong to? The selector of its Services and of its controller, for spreading by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer, labels_match
from corral.cluster.scheduler.pods.pod import Pod
from corral.model.kubernetes.selectors import Selector, of_labels, of_object

Object = dict[str, Any]

INDEX = "scheduler: namespace"


class Belonging:
    """`owners`: the informers of controllers of pods, by their kind."""

    def __init__(self, services: Informer, owners: Mapping[str, Informer]) -> None:
        self._services, self._owners = services, owners
        services.add_index(INDEX, lambda service: (meta.namespace(service),))

    def selector(self, pod: Pod) -> Selector:
        """Selects everything (is `empty`) when there is nobody."""
        merged: dict[str, str] = {}
        for service in self._services.indexed(INDEX, pod.namespace):
            wanted = service["spec"].get("selector") or {}
            if labels_match(pod.labels, wanted):
                merged |= wanted
        owner = meta.controller_of(pod.obj)
        found = self._owners.get(owner["kind"]) if owner is not None else None
        controller = found.get(f"{pod.namespace}/{owner['name']}") if found is not None and owner is not None else None
        return joined(merged, controller)


def joined(services: Mapping[str, str], controller: Object | None) -> Selector:
    """Pure: one selector of the labels that Services want and of a controller's own selector.

    >>> str(joined({"app": "web"}, {"spec": {"selector": {"matchLabels": {"hash": "1"}}}}))
    'app=web,hash=1'
    """
    both = of_labels(services).requirements
    chosen = (controller or {}).get("spec", {}).get("selector")
    if chosen:
        plain = "matchLabels" not in chosen and "matchExpressions" not in chosen
        both = (*both, *(of_labels(chosen) if plain else of_object(chosen)).requirements)
    return Selector(both)
