"""Who owns a resource's replicas, as its scale subresource sees it, and back.

A Scale is an object of its own: `spec.replicas` of it is another field of the resource that it scales. Before a Scale
is written, the owners of that field become its managedFields; afterwards, whoever has taken `spec.replicas` of the
Scale has taken the field. Follows k8s.io/apimachinery/pkg/util/managedfields/scalehandler.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corral.cluster.apiserver.apply import fieldset
from corral.cluster.apiserver.apply.entries import Entries, Entry, Manager, decode, encode
from corral.model.kubernetes.resources import GroupVersionKind

Path = tuple[str, ...]

SCALE_VERSION = "autoscaling/v1"
_REPLICAS: Path = ("f:spec", "f:replicas")

BUILT_IN: dict[tuple[str, str], Mapping[str, Path]] = {
    ("", "ReplicationController"): {"v1": _REPLICAS},
    ("apps", "Deployment"): {"apps/v1": _REPLICAS},
    ("apps", "ReplicaSet"): {"apps/v1": _REPLICAS},
    ("apps", "StatefulSet"): {"apps/v1": _REPLICAS},
}


def path_of(json_path: str) -> Path:
    """Pure: the path of a CustomResourceDefinition's `specReplicasPath`.

    >>> path_of(".spec.size")
    ('f:spec', 'f:size')
    """
    return tuple(f"f:{name}" for name in json_path.split(".") if name)


def mappings_of(kind: GroupVersionKind, custom: Mapping[str, str] | None = None) -> Mapping[str, Path]:
    """Pure: of each apiVersion where the replicas are. `custom`: specReplicasPath by version, of a custom kind.

    >>> mappings_of(GroupVersionKind("x.io", "v1", "Web"), {"v1": ".spec.size"})
    {'x.io/v1': ('f:spec', 'f:size')}
    """
    if custom is None:
        return BUILT_IN.get((kind.group, kind.kind), {})
    return {f"{kind.group}/{version}": path_of(path) for version, path in custom.items()}


def to_scale(parent: Any, mappings: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Pure: the managedFields of the Scale: those who own the replicas of the resource.

    >>> parent = [{"manager": "a", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
    ...            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:paused": {}}}}]
    >>> [(one["apiVersion"], one["fieldsV1"]) for one in to_scale(parent, {"apps/v1": ("f:spec", "f:replicas")})]
    [('autoscaling/v1', {'f:spec': {'f:replicas': {}}})]
    """
    found: Entries = {}
    for key, entry in decode(parent, trusted=True).items():
        path = mappings.get(entry.manager.api_version)
        if path and fieldset.has(entry.fields, path):
            found[key] = _moved(entry, SCALE_VERSION, _REPLICAS)
    return encode(found)


def to_parent(parent: Any, scale: Any, api_version: str, mappings: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Pure: the resource's managedFields, after its Scale has been written with these."""
    owners = {_who(entry.manager): entry for entry in decode(scale, trusted=True).values()}
    found: Entries = {}
    for key, entry in decode(parent, trusted=True).items():
        if entry.manager.api_version not in mappings:
            continue  # of a version that is not served any more
        path, who = mappings[entry.manager.api_version], _who(entry.manager)
        if not path or not fieldset.has(entry.fields, path):
            found[key] = entry
        elif who in owners:
            found[key] = entry
            del owners[who]
        elif left := fieldset.difference(entry.fields, fieldset.of_paths(path)):
            found[key] = entry.with_fields(left)
    for entry in owners.values():
        if fieldset.has(entry.fields, _REPLICAS):
            one = _moved(entry, api_version, mappings[api_version])
            one.time = ""  # as upstream: such an entry has none
            found[one.manager.identifier] = one
    return encode(found)


def _moved(entry: Entry, api_version: str, path: Path) -> Entry:
    manager = Manager(entry.manager.name, entry.manager.operation, api_version, entry.manager.subresource)
    return Entry(manager, entry.time, None, fieldset.of_paths(path))


def _who(manager: Manager) -> tuple[str, str, str]:
    """A manager, without the version: that of a Scale is another one than the resource's."""
    return manager.name, manager.operation, manager.subresource
