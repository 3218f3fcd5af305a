"""Parts of objects that are written on their own: what a write to each of them may change. Pure.

`scale` shows another kind of object; the others are the object itself, of which only one part is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from corral.cluster.apiserver.objects.times import to_text
from corral.cluster.apiserver.registry import ScalePaths, Served
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core.pod_subresources import prepare_ephemeral, prepare_resize
from corral.model.kubernetes.selectors import BadSelector, of_labels, of_object
from corral.model.kubernetes.status import conflict, internal, invalid

Merge = Callable[[Object, Object, datetime], Object]


def _part(obj: Object, name: str) -> dict[str, Any]:
    found = obj.get(name)
    return found if isinstance(found, dict) else {}


def _with(old: Object, new: Object, field: str, key: str) -> Object:
    """The old object with one field of the new one, and its metadata."""
    inner = dict(_part(old, field))
    inner.pop(key, None)
    if key in _part(new, field):
        inner[key] = _part(new, field)[key]
    return {**old, "metadata": new["metadata"], field: inner}


def merge_finalize(new: Object, old: Object, now: datetime) -> Object:
    """Whoever has emptied a namespace takes its finalizer away here, and only here.

    >>> old = {"metadata": {}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Terminating"}}
    >>> merge_finalize({"metadata": {}, "spec": {}, "status": {}}, old, datetime.now())
    {'metadata': {}, 'spec': {}, 'status': {'phase': 'Terminating'}}
    """
    return _with(old, new, "spec", "finalizers")


def merge_approval(new: Object, old: Object, now: datetime) -> Object:
    """The conditions of a certificate request; times that are not given are now."""
    made = _with(old, new, "status", "conditions")
    for one in made["status"].get("conditions") or ():
        one.setdefault("lastUpdateTime", to_text(now))
        one.setdefault("lastTransitionTime", to_text(now))
    return made


def merge_ephemeral(new: Object, old: Object, now: datetime) -> Object:
    prepare_ephemeral(new, old)
    return new


def merge_resize(new: Object, old: Object, now: datetime) -> Object:
    prepare_resize(new, old)
    return new


def merge_binding(new: Object, old: Object, now: datetime) -> Object:
    """All that `bind` has changed, which no other update may."""
    return new


def bind(pod: Object, binding: Object, now: datetime) -> Object:
    """Pure: a pod that has got its node. 409 when it has one, or may not get one; 422 for what is no node.

    >>> pod, node = {"metadata": {"name": "web"}, "spec": {}}, {"metadata": {}, "target": {"name": "n1"}}
    >>> bind(pod, node, datetime(2026, 1, 2))["spec"]["nodeName"]
    'n1'
    """
    name, target = pod["metadata"]["name"], _part(binding, "target")
    wrong = []
    if target.get("kind", "") not in ("", "Node"):
        wrong.append(p.not_supported("target.kind", target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        wrong.append(p.required("target.name"))
    if wrong:
        raise invalid("Binding", name, wrong)
    metadata, spec, status = dict(pod["metadata"]), _part(pod, "spec"), _part(pod, "status")
    _check_bindable(name, metadata, spec, _part(binding, "metadata"))
    for field in ("annotations", "labels"):
        if given := _part(binding, "metadata").get(field):
            metadata[field] = {**(metadata.get(field) or {}), **given}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": to_text(now)}
    others = [one for one in status.get("conditions") or () if one.get("type") != "PodScheduled"]
    status = {key: value for key, value in status.items() if key != "nominatedNodeName"}
    made = {**pod, "metadata": metadata, "spec": {**spec, "nodeName": target["name"]}}
    return {**made, "status": {**status, "conditions": [*others, scheduled]}}


def _check_bindable(name: str, metadata: dict[str, Any], spec: dict[str, Any], wanted: dict[str, Any]) -> None:
    resource = "pods/binding"
    if wanted.get("uid") and wanted["uid"] != metadata.get("uid"):
        shown = f"UID in precondition: {wanted['uid']}, UID in object meta: {metadata.get('uid', '')}"
        raise conflict(resource, name, f"Precondition failed: {shown}")
    if metadata.get("deletionTimestamp"):
        raise conflict(resource, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise conflict(resource, name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise conflict(resource, name, f"pod {name} has non-empty .spec.schedulingGates")


MERGES: Final[dict[tuple[str, str], Merge]] = {
    ("namespaces", "finalize"): merge_finalize,
    ("certificatesigningrequests", "approval"): merge_approval,
    ("pods", "ephemeralcontainers"): merge_ephemeral,
    ("pods", "resize"): merge_resize,
    ("pods", "binding"): merge_binding,
}

# Scale


def dig(obj: Object, path: str) -> Any:
    """Pure: what lies at a dotted path; None if there is nothing.

    >>> dig({"spec": {"replicas": 2}}, "spec.replicas"), dig({}, ".spec.replicas")
    (2, None)
    """
    found: Any = obj
    for key in path.lstrip(".").split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def put(obj: Object, path: str, value: Any) -> Object:
    """Pure: the same object with another value at a dotted path.

    >>> put({"spec": {"a": 1}}, "spec.replicas", 2)
    {'spec': {'a': 1, 'replicas': 2}}
    """
    first, _, rest = path.lstrip(".").partition(".")
    if not rest:
        return {**obj, first: value}
    return {**obj, first: put(_part(obj, first), rest, value)}


def show_scale(obj: Object, paths: ScalePaths) -> Object:
    """Pure: an object as a Scale.

    >>> web = {"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}}}
    >>> show_scale(web, ScalePaths())["status"]
    {'replicas': 0, 'selector': 'a=b'}
    """
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {key: obj["metadata"][key] for key in kept if key in obj["metadata"]}
    replicas = dig(obj, paths.replicas)
    status: dict[str, Any] = {"replicas": dig(obj, paths.status_replicas) or 0}
    selector = _selector_text(dig(obj, paths.selector)) if paths.selector else ""
    if selector:
        status["selector"] = selector
    spec = {"replicas": replicas} if replicas else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def _selector_text(found: Any) -> str:
    if isinstance(found, str) or not found:
        return found or ""
    try:
        is_object = isinstance(found, dict) and ("matchLabels" in found or "matchExpressions" in found)
        return str(of_object(found) if is_object else of_labels(found))
    except BadSelector as error:
        raise internal(error.message) from None


def take_scale(obj: Object, scale: Object, served: Served, name: str) -> Object:
    """Pure: the object with a Scale's replicas. 422 for a number that cannot be; 409 for another object's."""
    paths = served.scale or ScalePaths()
    replicas = _part(scale, "spec").get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        problem = p.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", name, [problem], "autoscaling")
    metadata = scale.get("metadata") or {}
    if metadata.get("uid") and metadata["uid"] != obj["metadata"].get("uid"):
        shown = f"UID in precondition: {metadata['uid']}, UID in object meta: {obj['metadata'].get('uid', '')}"
        raise conflict(served.plural, name, f"Precondition failed: {shown}", served.resource.group)
    changed = put(obj, paths.replicas, replicas)
    own = dict(changed["metadata"])
    if metadata.get("resourceVersion"):
        own["resourceVersion"] = metadata["resourceVersion"]
    return {**changed, "metadata": own}
