"""How `kubectl get hpa` shows what is measured, against what is wanted. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.cells import AGE, NONE, UNSET, at, column
from corral.model.kubernetes.kinds.core.endpoints import with_more
from corral.model.kubernetes.kinds.fields import has, objects, part, text

_UNKNOWN = "<unknown>"
_SHOWN = 2
_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metrics(obj: Object) -> str:
    """
    >>> target = {"type": "Utilization", "averageUtilization": 80}
    >>> _metrics({"spec": {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]}})
    'cpu: <unknown>/80%'
    """
    specs, statuses = objects(part(obj, "spec"), "metrics"), objects(part(obj, "status"), "currentMetrics")
    shown = [_metric(spec, statuses[index] if index < len(statuses) else {}) for index, spec in enumerate(specs)]
    return with_more(shown, _SHOWN, ", ") if shown else NONE


def _metric(spec: Object, status: Object) -> str:
    kind = text(spec, "type")
    source = _SOURCES.get(kind)
    if source is None:
        return "<unknown type>"
    target, current = part(spec, source, "target"), part(status, source, "current")
    if kind in ("Resource", "ContainerResource"):
        return f"{text(part(spec, source), 'name')}: {_resource(target, current)}"
    if kind == "Pods":
        return f"{current.get('averageValue', _UNKNOWN)}/{target.get('averageValue', '0')}"
    if has(target, "averageValue"):
        return f"{current.get('averageValue', _UNKNOWN)}/{target['averageValue']} (avg)"
    return f"{current.get('value', _UNKNOWN)}/{target.get('value', '0')}"


def _resource(target: Object, current: Object) -> str:
    if has(target, "averageValue"):
        return f"{current.get('averageValue', _UNKNOWN)}/{target['averageValue']}"
    used = f"{current['averageUtilization']}%" if has(current, "averageUtilization") else _UNKNOWN
    wanted = f"{target['averageUtilization']}%" if has(target, "averageUtilization") else "<auto>"
    return f"{used}/{wanted}"


def _reference(obj: Object) -> str:
    found = part(obj, "spec", "scaleTargetRef")
    return f"{text(found, 'kind')}/{text(found, 'name')}"


COLUMNS = (
    column("Reference", _reference),
    column("Targets", _metrics),
    column("MinPods", lambda obj: str(at("spec", "minReplicas", default=UNSET)(obj))),
    column("MaxPods", at("spec", "maxReplicas", default=0)),
    column("Replicas", at("status", "currentReplicas", default=0)),
    AGE,
)
