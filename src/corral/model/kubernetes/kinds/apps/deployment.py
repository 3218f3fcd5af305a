"""Deployment. Pure. Follows pkg/apis/apps/validation."""

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
from corral.model.kubernetes.kinds.cells import AGE, at, column, container_columns, selector_text, wide
from corral.model.kubernetes.kinds.checks import Problems, immutable, listed, nonnegative
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_template
from corral.model.kubernetes.kinds.fields import ensure, fill, fill_empty, has, number, part, text
from corral.model.kubernetes.kinds.statuses import (
    check_collisions,
    check_replicas,
    clear_status,
    ensure_status,
    keep_spec,
    keep_status,
)
from corral.model.kubernetes.problems import forbidden, invalid, not_supported, required

_TYPES = ("Recreate", "RollingUpdate")
_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
_LONGEST = 2**31 - 1


def _default(obj: Object) -> None:
    """
    >>> obj = {"spec": {}}; _default(obj); obj["spec"]["strategy"]
    {'type': 'RollingUpdate', 'rollingUpdate': {'maxUnavailable': '25%', 'maxSurge': '25%'}}
    """
    spec = ensure(obj, "spec")
    fill(spec, "replicas", 1)
    strategy = ensure(spec, "strategy")
    fill_empty(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = ensure(strategy, "rollingUpdate")
        fill(rolling, "maxUnavailable", "25%")
        fill(rolling, "maxSurge", "25%")
    fill(spec, "revisionHistoryLimit", 10)
    fill(spec, "progressDeadlineSeconds", 600)
    default_template(ensure(spec, "template"))
    ensure_status(obj)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from nonnegative(spec, "spec", "replicas")
    yield from check_selector(spec, "empty selector is invalid for deployment")
    yield from check_template(spec, "ReplicaSet")
    yield from _strategy(part(spec, "strategy"), "spec.strategy")
    yield from nonnegative(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
    if has(spec, "progressDeadlineSeconds"):
        yield from nonnegative(spec, "spec", "progressDeadlineSeconds")
        deadline = number(spec, "progressDeadlineSeconds")
        if deadline <= number(spec, "minReadySeconds"):
            yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _strategy(strategy: Object, path: str) -> Problems:
    kind, rolling = text(strategy, "type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if isinstance(rolling, dict):
            detail = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden(f"{path}.rollingUpdate", detail)
    elif kind == "RollingUpdate":
        if not isinstance(rolling, dict):
            yield required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")
        else:
            yield from _rolling(rolling, f"{path}.rollingUpdate")
    else:
        yield not_supported(f"{path}.type", kind, _TYPES)


def _rolling(rolling: Object, path: str) -> Problems:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    yield from count_or_percent(unavailable, f"{path}.maxUnavailable")
    yield from count_or_percent(surge, f"{path}.maxSurge")
    if is_zero(unavailable) and is_zero(surge):
        yield invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    yield from not_above_all(unavailable, f"{path}.maxUnavailable")


def _validate_update(new: Object, old: Object) -> Problems:
    return immutable(part(new, "spec"), part(old, "spec"), "spec", "selector")


def _validate_status(new: Object, old: Object) -> Problems:
    yield from check_replicas(new, *_COUNTS, below=("updatedReplicas", "readyReplicas", "availableReplicas"))
    status = part(new, "status")
    if number(status, "availableReplicas") > number(status, "readyReplicas"):
        value = number(status, "availableReplicas")
        yield invalid("status.availableReplicas", value, "cannot be greater than readyReplicas")
    yield from check_collisions(new, old)


def _selector(obj: Object) -> str:
    shown = selector_text(part(obj, "spec").get("selector"))
    return "<invalid>" if shown is None else shown


DEPLOYMENT = Kind(
    default=_default,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(_validate_status),
    warnings=template_warnings,
    has_status=True,
    columns=(
        column(
            "Ready",
            lambda obj: f"{number(part(obj, 'status'), 'readyReplicas')}/{number(part(obj, 'spec'), 'replicas')}",
        ),
        column("Up-to-date", at("status", "updatedReplicas", default=0)),
        column("Available", at("status", "availableReplicas", default=0)),
        AGE,
        *container_columns("spec", "template"),
        wide("Selector", _selector),
    ),
)
