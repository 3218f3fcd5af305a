"""Scale: the part of a workload that says how many, in a form that all workloads share. Pure."""

from __future__ import annotations

import copy

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.cells import format_labels, selector_text
from corral.model.kubernetes.kinds.checks import Problems, nonnegative
from corral.model.kubernetes.kinds.fields import ensure, metadata, number, part

SCALED = frozenset(
    (("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "StatefulSet"), ("", "ReplicationController"))
)
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object) -> Object:
    """The Scale of a workload.

    >>> obj = {"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}}
    >>> scale_of(obj)["spec"], scale_of(obj)["status"]
    ({'replicas': 2}, {'replicas': 0, 'selector': 'app=web'})
    """
    replicas = number(part(obj, "spec"), "replicas")
    selected = _selector(part(obj, "spec"))
    status: Object = {"replicas": number(part(obj, "status"), "replicas")}
    if selected:
        status["selector"] = selected
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata(obj)[key] for key in _METADATA if key in metadata(obj)},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _selector(spec: Object) -> str:
    """As text; that of a ReplicationController is a plain map."""
    selector = part(spec, "selector")
    if all(isinstance(value, str) for value in selector.values()):
        return format_labels(spec, "selector") if selector else ""
    return selector_text(selector) or ""


def with_scale(obj: Object, scale: Object) -> Object:
    """The workload with the replicas that a Scale asks for.

    >>> with_scale({"spec": {"replicas": 1}}, {"spec": {"replicas": 3}})
    {'spec': {'replicas': 3}}
    """
    found = copy.deepcopy(obj)
    ensure(found, "spec")["replicas"] = number(part(scale, "spec"), "replicas")
    return found


def check_scale(scale: Object) -> Problems:
    return nonnegative(part(scale, "spec"), "spec", "replicas")
