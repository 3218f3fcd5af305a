"""HorizontalPodAutoscaler, in the version v2, which is stored. Pure. Follows pkg/apis/autoscaling."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.autoscaling.columns import COLUMNS
from corral.model.kubernetes.kinds.checks import Problems, dns_label, each, listed, nonnegative, optional_of
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.fields import ensure, fill, has, indexed, number, objects, part, text
from corral.model.kubernetes.kinds.statuses import cleared, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import forbidden, invalid, not_supported, required

_ALWAYS = {"desiredReplicas": 0}

_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Object = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
_TARGET = {"type": "Utilization", "averageUtilization": 80}
_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_LONGEST_PERIOD, _LONGEST_WINDOW = 1800, 3600


def _default(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill(spec, "minReplicas", 1)
    if not objects(spec, "metrics"):
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": dict(_TARGET)}}]
    for metric in objects(spec, "metrics"):
        for source in _SOURCES.values():
            for key in ("value", "averageValue"):
                resources.canonical_one(part(metric, source, "target"), key)
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        for key, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            found = ensure(behavior, key)
            for field, value in rules.items():
                fill(found, field, copy.deepcopy(value))
    ensure_status(obj, **_ALWAYS)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    least, most = number(spec, "minReplicas"), number(spec, "maxReplicas")
    if has(spec, "minReplicas") and least < 0:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 0")
    if most < 1:
        yield invalid("spec.maxReplicas", most, "must be greater than 0")
    if has(spec, "minReplicas") and most < least:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    yield from reference(part(spec, "scaleTargetRef"), "spec.scaleTargetRef")
    for at, metric in indexed(spec, "metrics", "spec.metrics"):
        yield from _metric(metric, at)
    kinds = {text(metric, "type") for metric in objects(spec, "metrics")}
    if has(spec, "minReplicas") and not least and not kinds & {"Object", "External"}:
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden("spec.metrics", detail)
    for key in ("scaleUp", "scaleDown"):
        rules = part(spec, "behavior").get(key)
        if isinstance(rules, dict):
            yield from _rules(rules, f"spec.behavior.{key}")


def reference(found: Object, path: str) -> Problems:
    """What is scaled, or measured."""
    for key in ("kind", "name"):
        value = text(found, key)
        if not value:
            yield required(f"{path}.{key}")
        else:
            yield from each(f"{path}.{key}", value, names.path_segment(value))
    version = text(found, "apiVersion")
    if version.count("/") > 1:
        yield invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")


def _metric(metric: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _metric({"type": "Pods"}, "m")]
    ['m.pods: Required value: must populate information for the given metric source']
    """
    kind = text(metric, "type")
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        yield not_supported(f"{path}.type", kind, tuple(sorted(_SOURCES)))
    order = ("object", "external", "pods", "resource", "containerResource")
    found = [source for source in order if isinstance(metric.get(source), dict)]
    if found:
        yield from _CHECKS[found[0]](metric[found[0]], f"{path}.{found[0]}")
    wanted = _SOURCES.get(kind, "")
    if wanted and wanted not in found:
        yield required(f"{path}.{wanted}", "must populate information for the given metric source")
    if len(found) != 1:
        for source in found:
            if source != wanted:
                yield forbidden(f"{path}.{source}", "must populate the given metric source only")


def _identifier(found: Object, path: str) -> Problems:
    name = text(part(found, "metric"), "name")
    if not name:
        yield required(f"{path}.metric.name", "must specify a metric name")
    else:
        yield from each(f"{path}.metric.name", name, names.path_segment(name))


def _target(found: Object, path: str) -> Problems:
    target, at = part(found, "target"), f"{path}.target"
    kind = text(target, "type")
    if not kind:
        yield required(f"{at}.type", "must specify a metric target type")
    if kind not in ("Utilization", "Value", "AverageValue"):
        yield invalid(f"{at}.type", kind, "must be either Utilization, Value, or AverageValue")
    for key in ("value", "averageValue"):
        amount = resources.read(target.get(key))
        if has(target, key) and amount is not None and amount.nanos <= 0:
            yield invalid(f"{at}.{key}", str(amount), "must be positive")
    if has(target, "averageUtilization") and number(target, "averageUtilization") < 1:
        yield invalid(f"{at}.averageUtilization", number(target, "averageUtilization"), "must be greater than 0")


def _has_target(found: Object, *keys: str) -> bool:
    return any(has(part(found, "target"), key) for key in keys)


def _object(found: Object, path: str) -> Problems:
    yield from reference(part(found, "describedObject"), f"{path}.describedObject")
    yield from _identifier(found, path)
    yield from _target(found, path)
    if not _has_target(found, "value", "averageValue"):
        yield required(f"{path}.target.averageValue", "must set either a target value or averageValue")


def _external(found: Object, path: str) -> Problems:
    yield from _identifier(found, path)
    yield from _target(found, path)
    if not _has_target(found, "value", "averageValue"):
        detail = "must set either a target value for metric or a per-pod target"
        yield required(f"{path}.target.averageValue", detail)
    if _has_target(found, "value") and _has_target(found, "averageValue"):
        yield forbidden(f"{path}.target.value", "may not set both a target value for metric and a per-pod target")


def _pods(found: Object, path: str) -> Problems:
    yield from _identifier(found, path)
    yield from _target(found, path)
    if not _has_target(found, "averageValue"):
        yield required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _resource(found: Object, path: str) -> Problems:
    if not text(found, "name"):
        yield required(f"{path}.name", "must specify a resource name")
    yield from _target(found, path)
    if not _has_target(found, "averageUtilization", "averageValue"):
        detail = "must set either a target raw value or a target utilization"
        yield required(f"{path}.target.averageUtilization", detail)
    if _has_target(found, "averageUtilization") and _has_target(found, "averageValue"):
        detail = "may not set both a target raw value and a target utilization"
        yield forbidden(f"{path}.target.averageValue", detail)


def _container_resource(found: Object, path: str) -> Problems:
    container = text(found, "container")
    if not container:
        yield required(f"{path}.container", "must specify a container")
    else:
        yield from each(f"{path}.container", container, dns_label(container))
    if text(found, "name"):
        yield from resources.container_resource(text(found, "name"), f"{path}.name")
    yield from _resource(found, path)


_CHECKS: dict[str, Callable[[Object, str], Problems]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}


def _rules(rules: Object, path: str) -> Problems:
    window, at = rules.get("stabilizationWindowSeconds"), f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        yield invalid(at, window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        yield invalid(at, window, f"must be less than or equal to {_LONGEST_WINDOW}")
    yield from optional_of(rules, "selectPolicy", path, ("Disabled", "Max", "Min"))
    if not objects(rules, "policies"):
        yield required(f"{path}.policies", "must specify at least one Policy")
    for policy_at, policy in indexed(rules, "policies", f"{path}.policies"):
        yield from _policy(policy, policy_at)
    tolerance: Any = resources.read(rules.get("tolerance"))
    if tolerance is not None and tolerance.nanos < 0:
        yield invalid(f"{path}.tolerance", str(tolerance), "must be greater than or equal to 0")


def _policy(policy: Object, path: str) -> Problems:
    if text(policy, "type") not in ("Percent", "Pods"):
        yield not_supported(f"{path}.type", text(policy, "type"), ("Percent", "Pods"))
    for key in ("value", "periodSeconds"):
        if number(policy, key) <= 0:
            yield invalid(f"{path}.{key}", number(policy, key), "must be greater than zero")
    if number(policy, "periodSeconds") > _LONGEST_PERIOD:
        detail = f"must be less than or equal to {_LONGEST_PERIOD}"
        yield invalid(f"{path}.periodSeconds", number(policy, "periodSeconds"), detail)


def _validate_status(new: Object, old: Object) -> Problems:
    return nonnegative(part(new, "status"), "status", "currentReplicas", "desiredReplicas")


HORIZONTAL_POD_AUTOSCALER = Kind(
    default=_default,
    prepare_create=cleared(**_ALWAYS),
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_status=listed(_validate_status),
    has_status=True,
    has_generation=False,
    columns=COLUMNS,
)
