"""Writing a Scale: the object behind it gets its replicas, and their owner is who owns the Scale's. Pure.

Follows the scale subresources of upstream's pkg/registry/apps; `apply/scale` says how owners are carried over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from corral.cluster.apiserver.apply import managed
from corral.cluster.apiserver.apply.scale import SCALE_VERSION, Path, mappings_of, to_parent, to_scale
from corral.cluster.apiserver.objects.subresources import show_scale, take_scale
from corral.cluster.apiserver.options import WriteOptions
from corral.cluster.apiserver.registry import Registry, ScalePaths, Served
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import builtin

SCALE = GroupVersionKind("autoscaling", "v1", "Scale")


def mappings(registry: Registry, served: Served) -> Mapping[str, Path]:
    """Where each version of a kind has its replicas."""
    if not served.custom:
        return mappings_of(served.resource.gvk)
    known = [served, *registry.equivalents(served)]
    paths = {one.resource.version: one.scale.replicas for one in known if one.scale is not None}
    return mappings_of(served.resource.gvk, paths)


def scale_of(obj: Object, served: Served, where: Mapping[str, Path]) -> Object:
    """An object as a Scale that knows who owns its replicas."""
    found = show_scale(obj, served.scale or ScalePaths())
    owners = to_scale(obj["metadata"].get("managedFields"), where)
    return {**found, "metadata": {**found["metadata"], "managedFields": owners}} if owners else found


def with_owners(obj: Object, old: Object, scale: Object, served: Served, where: Mapping[str, Path]) -> Object:
    """The changed object, owned by who owned the old one, and its replicas by who owns those of the Scale."""
    before, after = old["metadata"].get("managedFields"), scale["metadata"].get("managedFields")
    owners = to_parent(before, after, served.resource.api_version, where)
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": {**metadata, **({"managedFields": owners} if owners else {})}}


def after_update(
    new: Object, old: Object, manager: str, served: Served, where: Mapping[str, Path], now: datetime
) -> Object:
    """The object after its Scale was put or patched: `manager` owns the replicas if they are others now."""
    before = scale_of(old, served, where)
    after = scale_of({**new, "metadata": old["metadata"]}, served, where)
    tracked = managed.on_update(before, after, manager, "scale", SCALE_VERSION, builtin().schema(SCALE), now)
    return with_owners(new, old, tracked, served, where)


def after_apply(
    live: Object, applied: Object, name: str, options: WriteOptions, served: Served, where: Mapping[str, Path],
    now: datetime,
) -> Object:  # fmt: skip
    """The object after a Scale was applied. StatusError: 400, 409 (others own the replicas), 422."""
    scale = managed.on_apply(
        scale_of(live, served, where),
        applied,
        options.manager,
        bool(options.force),
        "scale",
        SCALE_VERSION,
        builtin().schema(SCALE),
        now,
        kind="Scale",
    )
    return with_owners(take_scale(live, scale, served, name), live, scale, served, where)
