"""Whom does a pod belong to? The selector of its Services and of its controller, for spreading by default."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer, labels_match
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.pods.terms import PodTerm
from corral.model.kubernetes.selectors import Selector, of_labels, of_object

Object = dict[str, Any]

INDEX: Final = "scheduler: namespace"
MOST: Final = 4096  # answers that are kept


class Belonging:
    """`owners`: the informers of controllers of pods, by their kind."""

    def __init__(self, services: Informer, owners: Mapping[str, Informer]) -> None:
        self._services, self._owners = services, owners
        self._known: dict[Hashable, PodTerm | None] = {}
        services.add_index(INDEX, lambda service: (meta.namespace(service),))
        services.on_change(self._service_changed)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        if (old or {}).get("spec", {}).get("selector") != (new or {}).get("spec", {}).get("selector"):
            self._known.clear()

    def kind(self, pod: Pod) -> PodTerm | None:
        """The pods of the same kind as this one; None if it belongs to nobody."""
        owner = meta.controller_of(pod.obj) or {}
        found = self._owners.get(owner.get("kind", ""))
        controller = found.get(f"{pod.namespace}/{owner['name']}") if found is not None else None
        key = (pod.group, owner.get("uid"), meta.version(controller) if controller is not None else 0)
        if key not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
            selector = joined(self._of_services(pod), controller)
            term = None if selector.empty else PodTerm("", selector, frozenset((pod.namespace,)))
            self._known[key] = term
        return self._known[key]

    def _of_services(self, pod: Pod) -> dict[str, str]:
        merged: dict[str, str] = {}
        for service in self._services.indexed(INDEX, pod.namespace):
            wanted = service["spec"].get("selector") or {}
            if labels_match(pod.labels, wanted):
                merged |= wanted
        return merged


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
