"""What changes through a pod's own subresources: ephemeral containers, and resources while it runs.

The `prepare_…` functions change `new` in place: all but what the subresource is for becomes as it was. Follows
pkg/registry/core/pod/strategy.go and ValidatePodResize.
"""

from __future__ import annotations

import copy

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems
from corral.model.kubernetes.kinds.core.pod_spec.qos import qos_class
from corral.model.kubernetes.kinds.core.pod_spec.scope import is_sidecar
from corral.model.kubernetes.kinds.core.pod_spec.validation import MIRROR
from corral.model.kubernetes.kinds.fields import (
    annotations_of,
    ensure,
    has,
    indexed,
    keep,
    metadata,
    objects,
    part,
    same,
    text,
)
from corral.model.kubernetes.problems import WHOLE, forbidden, invalid

_KINDS = ("containers", "initContainers")
_LISTS = ("limits", "requests")
_IDENTITY = ("name", "namespace", "resourceVersion", "uid", "managedFields")


def _as_it_was(new: Object, old: Object) -> Object:
    """In place; returns the spec that was asked for."""
    asked, identity = part(new, "spec"), {key: metadata(new).get(key) for key in _IDENTITY}
    new.update(copy.deepcopy({key: old[key] for key in ("spec", "status", "metadata") if key in old}))
    ensure(new, "metadata").update({key: value for key, value in identity.items() if value is not None})
    return asked


def prepare_ephemeral(new: Object, old: Object) -> None:
    asked = _as_it_was(new, old)
    keep(ensure(new, "spec"), asked, "ephemeralContainers")


def prepare_resize(new: Object, old: Object) -> None:
    """Of each container, resources and their policy are taken; containers that came or went are left to "
    "`check_resize`."""
    asked = _as_it_was(new, old)
    spec = ensure(new, "spec")
    for kind in _KINDS:
        if [text(one, "name") for one in objects(asked, kind)] != [text(one, "name") for one in objects(spec, kind)]:
            keep(spec, asked, kind)
            continue
        for container, wanted in zip(objects(spec, kind), objects(asked, kind), strict=True):
            keep(container, wanted, "resources", "resizePolicy")


def check_resize(new: Object, old: Object) -> Problems:
    """
    >>> old = {"spec": {"containers": [{"name": "a"}]}}
    >>> [str(one) for one in check_resize({"spec": {"containers": []}}, old)]
    ['spec.containers: Forbidden: containers may not be added or removed on resize']
    """
    if MIRROR in annotations_of(old):
        yield forbidden(WHOLE, "static pods cannot be resized")
        return
    spec, was = part(new, "spec"), part(old, "spec")
    if text(part(was, "os"), "name") == "windows":
        yield forbidden(WHOLE, "windows pods cannot be resized")
        return
    if problems := list(_order(spec, was)):
        yield from problems
        return
    if qos_class(was) != qos_class(spec):
        yield invalid(
            "spec", text(part(new, "status"), "qosClass"), "Pod QOS Class may not change as a result of resizing"
        )
    if not _node_can(part(old, "status")):
        yield forbidden("spec", "Pod running on node without support for resize")
    for kind in _KINDS:
        for (path, container), before in zip(indexed(spec, kind, f"spec.{kind}"), objects(was, kind), strict=True):
            yield from _container(container, before, path, kind)


def _order(spec: Object, was: Object) -> Problems:
    for kind in _KINDS:
        if len(objects(spec, kind)) != len(objects(was, kind)):
            yield forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize")
            continue
        for (path, container), before in zip(indexed(spec, kind, f"spec.{kind}"), objects(was, kind), strict=True):
            if text(container, "name") != text(before, "name"):
                yield forbidden(f"{path}.name", f"{kind} may not be renamed or reordered on resize")


def _node_can(status: Object) -> bool:
    """A kubelet that resizes says what a running container has."""
    running = (one for one in objects(status, "containerStatuses") if has(part(one, "state"), "running"))
    return all(has(one, "resources") for one in running)


def _container(new: Object, old: Object, path: str, kind: str) -> Problems:
    after, before = part(new, "resources"), part(old, "resources")
    if kind == "initContainers" and not is_sidecar(old):
        if not same(after, before):
            yield forbidden("spec", "resources for non-sidecar init containers are immutable")
        return
    for which, what in (("requests", "resource requests"), ("limits", "resource limits")):
        if not set(part(before, which)) <= set(part(after, which)):
            yield forbidden(f"{path}.resources.{which}", f"{what} cannot be removed")
    if not same(_without_compute(new), _without_compute(old)):
        kinds = (
            "cpu and memory resources for sidecar containers"
            if kind == "initContainers"
            else "cpu and memory resources"
        )
        yield forbidden("spec", f"only {kinds} are mutable")


def _without_compute(container: Object) -> Object:
    """The container without what may change."""
    found = {key: value for key, value in container.items() if key not in ("resources", "resizePolicy")}
    resources = part(container, "resources")
    rest = {
        which: {key: value for key, value in part(resources, which).items() if key not in ("cpu", "memory")}
        for which in _LISTS
    }
    return {**found, "resources": {**resources, **rest}}
