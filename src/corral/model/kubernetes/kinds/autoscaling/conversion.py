"""HorizontalPodAutoscaler between the versions v1 and v2. Pure.

What v1 has no field for is kept in annotations, in v1's own form. Follows pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

import json
from typing import Any

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import annotations_of, ensure, has, metadata, objects, part, text

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT = f"{_PREFIX}metrics", f"{_PREFIX}current-metrics"
CONDITIONS, BEHAVIOR = f"{_PREFIX}conditions", f"{_PREFIX}behavior"
_ANNOTATIONS = (METRICS, CURRENT, CONDITIONS, BEHAVIOR)


def _is_cpu(metric: Object, where: str) -> bool:
    """A metric that v1 has a field for."""
    found = part(metric, "resource")
    return (
        text(metric, "type") == "Resource"
        and text(found, "name") == "cpu"
        and has(part(found, where), "averageUtilization")
    )


def to_v1(obj: Object) -> Object:
    """
    >>> cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}
    >>> to_v1({"spec": {"maxReplicas": 3, "metrics": [cpu]}})["spec"]
    {'maxReplicas': 3, 'targetCPUUtilizationPercentage': 80}
    """
    spec, status = part(obj, "spec"), part(obj, "status")
    metrics, current = objects(spec, "metrics"), objects(status, "currentMetrics")
    found: Object = {**obj, "apiVersion": "autoscaling/v1", "metadata": dict(metadata(obj))}
    found["spec"] = {key: value for key, value in spec.items() if key not in ("metrics", "behavior")}
    _take_cpu(found["spec"], "targetCPUUtilizationPercentage", metrics, "target")
    if has(obj, "status"):
        found["status"] = {key: value for key, value in status.items() if key not in ("currentMetrics", "conditions")}
        _take_cpu(found["status"], "currentCPUUtilizationPercentage", current, "current")
    kept = {
        METRICS: [_metric_to_v1(one, "target") for one in metrics if not _is_cpu(one, "target")],
        CURRENT: [_metric_to_v1(one, "current") for one in current if not _is_cpu(one, "current")],
        CONDITIONS: objects(status, "conditions"),
        BEHAVIOR: spec.get("behavior"),
    }
    notes = {key: json.dumps(value, separators=(",", ":")) for key, value in kept.items() if value}
    if notes:
        found["metadata"]["annotations"] = {**annotations_of(obj), **notes}
    return found


def _take_cpu(holder: Object, key: str, metrics: list[Object], where: str) -> None:
    share = next((part(one, "resource", where)["averageUtilization"] for one in metrics if _is_cpu(one, where)), None)
    if share is not None:
        holder[key] = share


def from_v1(obj: Object) -> Object:
    """
    >>> from_v1({"spec": {"targetCPUUtilizationPercentage": 50}})["spec"]["metrics"][0]["resource"]["target"]
    {'type': 'Utilization', 'averageUtilization': 50}
    """
    notes = dict(annotations_of(obj))
    kept = {key: _loads(notes.pop(key, "")) for key in _ANNOTATIONS}
    spec, status = dict(part(obj, "spec")), dict(part(obj, "status"))
    metrics = [_metric_from_v1(one, "target") for one in _listed(kept[METRICS])]
    current = [_metric_from_v1(one, "current") for one in _listed(kept[CURRENT])]
    if (share := spec.pop("targetCPUUtilizationPercentage", None)) is not None:
        metrics.append(_cpu(share, "target", {"type": "Utilization"}))
    if (share := status.pop("currentCPUUtilizationPercentage", None)) is not None:
        current.append(_cpu(share, "current", {}))
    found: Object = {**obj, "apiVersion": "autoscaling/v2", "metadata": dict(metadata(obj)), "spec": spec}
    if metrics:
        spec["metrics"] = metrics
    if isinstance(kept[BEHAVIOR], dict):
        spec["behavior"] = kept[BEHAVIOR]
    for key, value in (("currentMetrics", current), ("conditions", _listed(kept[CONDITIONS]))):
        if value:
            status[key] = value
    if status or has(obj, "status"):
        found["status"] = status
    if annotations_of(obj):
        ensure(found, "metadata")["annotations"] = notes
        if not notes:
            del found["metadata"]["annotations"]
    return found


def _cpu(share: int, where: str, more: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", where: {**more, "averageUtilization": share}}}


def _loads(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _listed(found: Any) -> list[Object]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


# In v1's form a metric is flat: names of its fields by kind, with `target` or `current` before the amounts.
_NAMES = {"Object": "object", "Pods": "pods", "Resource": "resource", "ContainerResource": "containerResource"}
_NAMES["External"] = "external"


def _amount(where: str, what: str) -> str:
    """
    >>> _amount("target", "averageValue")
    'targetAverageValue'
    """
    return f"{where}{what[0].upper()}{what[1:]}"


def _metric_to_v1(metric: Object, where: str) -> Object:
    kind = text(metric, "type")
    source = _NAMES.get(kind, "")
    found = part(metric, source)
    flat = {key: value for key, value in found.items() if key not in (where, "metric", "describedObject")}
    if text(part(found, "metric"), "name"):
        flat["metricName"] = found["metric"]["name"]
    if has(part(found, "metric"), "selector"):
        flat["metricSelector" if kind == "External" else "selector"] = found["metric"]["selector"]
    if kind == "Object":
        flat["target"] = found.get("describedObject", {})
    for what in ("value", "averageValue", "averageUtilization"):
        if has(part(found, where), what):
            plain = kind == "Object" and what == "averageValue"
            flat[what if plain else _amount(where, what)] = found[where][what]
    return {"type": kind, source: flat}


def _metric_from_v1(metric: Object, where: str) -> Object:
    kind = text(metric, "type")
    source = _NAMES.get(kind, "")
    flat = dict(part(metric, source))
    amounts: Object = {}
    for what in ("value", "averageValue", "averageUtilization"):
        plain = kind == "Object" and what == "averageValue"
        value = flat.pop(what if plain else _amount(where, what), None)
        if value is not None:
            amounts[what] = value
    found: Object = {}
    if kind == "Object":
        found["describedObject"] = flat.pop("target", {})
    identifier = {}
    if "metricName" in flat:
        identifier["name"] = flat.pop("metricName")
    selector = flat.pop("metricSelector", None) or flat.pop("selector", None)
    if selector is not None:
        identifier["selector"] = selector
    if identifier:
        found["metric"] = identifier
    if where == "target":
        amounts = {"type": _target_type(amounts), **amounts}
    return {"type": kind, source: {**flat, **found, where: amounts}}


def _target_type(amounts: Object) -> str:
    if "averageUtilization" in amounts:
        return "Utilization"
    return "Value" if "value" in amounts else "AverageValue"
