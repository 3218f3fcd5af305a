"""The resources that every cluster has, as they are served."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from corral.cluster.apiserver.registry import Described, ScalePaths, Served, kind_of
from corral.model.kubernetes.kinds import CONVERSIONS, KINDS
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
        yield _served(resource, partial(found.schema, resource.gvk))


def _served(resource: Resource, described: Described) -> Served:
    key = resource.group, resource.version, resource.kind
    conversion = CONVERSIONS.get(key)
    return Served(
        resource,
        kind_of(resource, KINDS),
        described,
        STORED.get(key, resource.gvk),
        to_stored=conversion.to_stored if conversion else None,
        from_stored=conversion.from_stored if conversion else None,
        scale=ScalePaths() if resource.subresource("scale") else None,
    )
