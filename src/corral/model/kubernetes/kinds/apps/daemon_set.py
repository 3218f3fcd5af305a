"""DaemonSet. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.apps.rollout import (
    check_selector,
    check_template,
    count_or_percent,
    is_zero,
    not_above_all,
    template_warnings,
)
from corral.model.kubernetes.kinds.cells import (
    AGE,
    at,
    column,
    container_columns,
    format_labels,
    format_selector,
    wide,
)
from corral.model.kubernetes.kinds.checks import Problems, immutable, listed, nonnegative
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_template
from corral.model.kubernetes.kinds.fields import ensure, fill, fill_empty, part, text
from corral.model.kubernetes.kinds.statuses import (
    check_collisions,
    cleared,
    ensure_status,
    keep_spec,
    keep_status,
)
from corral.model.kubernetes.problems import invalid, not_supported, required

_ALWAYS = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}

_TYPES = ("OnDelete", "RollingUpdate")
_COUNTS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def _default(obj: Object) -> None:
    spec = ensure(obj, "spec")
    strategy = ensure(spec, "updateStrategy")
    fill_empty(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = ensure(strategy, "rollingUpdate")
        fill(rolling, "maxUnavailable", 1)
        fill(rolling, "maxSurge", 0)
    fill(spec, "revisionHistoryLimit", 10)
    default_template(ensure(spec, "template"))
    ensure_status(obj, **_ALWAYS)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from check_selector(spec, "empty selector is invalid for daemonset")
    yield from check_template(spec, "DaemonSet")
    yield from nonnegative(spec, "spec", "minReadySeconds")
    yield from _strategy(part(spec, "updateStrategy"), "spec.updateStrategy")
    yield from nonnegative(spec, "spec", "revisionHistoryLimit")


def _strategy(strategy: Object, path: str) -> Problems:
    kind = text(strategy, "type")
    if kind not in _TYPES:
        yield not_supported(f"{path}.type", kind, _TYPES)
    elif kind == "RollingUpdate":
        if isinstance(strategy.get("rollingUpdate"), dict):
            yield from _rolling(strategy["rollingUpdate"], f"{path}.rollingUpdate")
        else:
            yield required(f"{path}.rollingUpdate")


def _rolling(rolling: Object, path: str) -> Problems:
    """A node's pod is either gone before the next comes, or the next comes first."""
    for key in ("maxUnavailable", "maxSurge"):
        yield from count_or_percent(rolling.get(key), f"{path}.{key}")
        yield from not_above_all(rolling.get(key), f"{path}.{key}")
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    if not is_zero(unavailable) and not is_zero(surge):
        yield invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    if is_zero(unavailable) and is_zero(surge):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _validate_update(new: Object, old: Object) -> Problems:
    return immutable(part(new, "spec"), part(old, "spec"), "spec", "selector")


def _validate_status(new: Object, old: Object) -> Problems:
    yield from nonnegative(part(new, "status"), "status", *_COUNTS)
    yield from check_collisions(new, old)


DAEMON_SET = Kind(
    default=_default,
    prepare_create=cleared(**_ALWAYS),
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(_validate_status),
    warnings=template_warnings,
    has_status=True,
    columns=(
        column("Desired", at("status", "desiredNumberScheduled", default=0), "integer"),
        column("Current", at("status", "currentNumberScheduled", default=0), "integer"),
        column("Ready", at("status", "numberReady", default=0), "integer"),
        column("Up-to-date", at("status", "updatedNumberScheduled", default=0), "integer"),
        column("Available", at("status", "numberAvailable", default=0), "integer"),
        column("Node Selector", lambda obj: format_labels(part(obj, "spec", "template", "spec"), "nodeSelector")),
        AGE,
        *container_columns("spec", "template"),
        wide("Selector", lambda obj: format_selector(part(obj, "spec").get("selector"))),
    ),
)
