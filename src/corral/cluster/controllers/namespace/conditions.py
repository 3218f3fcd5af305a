"""What a namespace that is being emptied says of itself. Pure.

Follows k8s.io/kubernetes/pkg/controller/namespace/deletion/status_condition_utils.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from corral.cluster.client.protocol import Object
from corral.cluster.controllers.conditions import put

# type, reason and message when all is well, reason when it is not
_TYPES: Final = (
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
        "DiscoveryFailed",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
        "GroupVersionParsingFailed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
        "ContentDeletionFailed",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed", "SomeResourcesRemain"),
    (
        "NamespaceFinalizersRemaining",
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
        "SomeFinalizersRemain",
    ),
)


@dataclass(slots=True)
class Remains:
    """What is still in a namespace: by `resource.group` how many, by finalizer how many, and what failed.

    `undiscovered`: (group, version) of which nobody knows what is there.
    """

    objects: dict[str, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    undiscovered: list[tuple[str, str]] = field(default_factory=list)

    def add(self, plural: str, group: str, objects: Sequence[Object]) -> None:
        if objects:
            self.objects[f"{plural}.{group}"] = len(objects)
        for one in objects:
            for name in one["metadata"].get("finalizers") or ():
                self.finalizers[name] = self.finalizers.get(name, 0) + 1

    @property
    def nothing(self) -> bool:
        return not self.objects and not self.failures and not self.undiscovered


def plan_conditions(namespace: Object, remains: Remains, moment: str) -> Object | None:
    """The namespace with the conditions that say how far its deletion is; None when it has them.

    >>> found = plan_conditions({"status": {"phase": "Terminating"}}, Remains({"pods.": 2}), "now")
    >>> [one["message"] for one in found["status"]["conditions"] if one["status"] == "True"]
    ['Some resources are remaining: pods. has 2 resource instances']
    """
    texts = _texts(remains)
    status = namespace.get("status") or {}
    conditions = status.get("conditions") or []
    for kind, fine, message, bad in _TYPES:
        text = texts.get(kind)
        wanted = {"type": kind, "status": "True" if text else "False"}
        conditions = put(conditions, {**wanted, "reason": bad if text else fine, "message": text or message}, moment)
    if conditions == status.get("conditions"):
        return None
    return {**namespace, "status": {**status, "conditions": conditions}}


def _texts(remains: Remains) -> Mapping[str, str]:
    found = {}
    if remains.undiscovered:
        names = [f"{group}/{version}" for group, version in remains.undiscovered]
        texts = ", ".join(f"{one}: stale GroupVersion discovery: {one}" for one in names)
        found["NamespaceDeletionDiscoveryFailure"] = (
            f"Discovery failed for some groups, {len(names)} failing: "
            f"unable to retrieve the complete list of server APIs: {texts}"
        )
    if remains.failures:
        number, texts = len(remains.failures), ", ".join(remains.failures)
        found["NamespaceDeletionContentFailure"] = f"Failed to delete all resource types, {number} remaining: {texts}"
    if remains.objects:
        texts = ", ".join(f"{name} has {number} resource instances" for name, number in sorted(remains.objects.items()))
        found["NamespaceContentRemaining"] = f"Some resources are remaining: {texts}"
    if remains.finalizers:
        texts = ", ".join(
            f"{name} in {number} resource instances" for name, number in sorted(remains.finalizers.items())
        )
        found["NamespaceFinalizersRemaining"] = f"Some content in the namespace has finalizers remaining: {texts}"
    return found
