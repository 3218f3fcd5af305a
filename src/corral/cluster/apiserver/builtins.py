"""The resources that every cluster has, as they are served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from corral.cluster.apiserver.registry import ScalePaths, Served, kind_of
from corral.model.kubernetes import kinds, names
from corral.model.kubernetes.resources import GroupVersionKind, Resource
from corral.model.kubernetes.schema import builtin

# What is stored in another group or version than the one it is served in.
STORED: Final = {
    ("autoscaling", "v1", "HorizontalPodAutoscaler"): GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("events.k8s.io", "v1", "Event"): GroupVersionKind("", "v1", "Event"),
}


def served_builtins() -> Iterator[Served]:
    """One for each resource and version, in the order of discovery."""
    found = builtin()
    for resource in found.resources:
        yield _served(resource, found.schema(resource.gvk))


def _served(resource: Resource, schema: object) -> Served:
    stored = STORED.get((resource.group, resource.version, resource.kind), resource.gvk)
    table = getattr(kinds, "KINDS", {})
    kind = kind_of(resource, table)
    if resource.group == "rbac.authorization.k8s.io":
        kind = replace(kind, validate_name=names.path_segment)
    scale = ScalePaths() if resource.subresource("scale") else None
    return Served(resource, kind, schema, stored, scale=scale)  # type: ignore[arg-type]
