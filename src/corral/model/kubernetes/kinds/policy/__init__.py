"""PodDisruptionBudget, of the group policy. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.apps.rollout import count_or_percent, not_above_all
from corral.model.kubernetes.kinds.cells import AGE, at, column
from corral.model.kubernetes.kinds.checks import Problems, label_selector, listed, nonnegative, optional_of
from corral.model.kubernetes.kinds.fields import ensure, has, part
from corral.model.kubernetes.kinds.statuses import cleared, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import invalid

_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_ALWAYS = dict.fromkeys(_COUNTS, 0)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    if has(spec, "minAvailable") and has(spec, "maxUnavailable"):
        yield invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for key in ("minAvailable", "maxUnavailable"):
        if has(spec, key):
            yield from count_or_percent(spec[key], f"spec.{key}")
            yield from not_above_all(spec[key], f"spec.{key}")
    yield from label_selector(spec, "selector", "spec.selector")
    yield from optional_of(spec, "unhealthyPodEvictionPolicy", "spec", ("AlwaysAllow", "IfHealthyBudget"))


def _default(obj: Object) -> None:
    ensure(obj, "spec")
    ensure_status(obj, **_ALWAYS)


POD_DISRUPTION_BUDGET = Kind(
    default=_default,
    prepare_create=cleared(**_ALWAYS),
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_status=listed(lambda new, old: nonnegative(part(new, "status"), "status", *_COUNTS)),
    has_status=True,
    columns=(
        column("Min Available", lambda obj: str(at("spec", "minAvailable", default="N/A")(obj))),
        column("Max Unavailable", lambda obj: str(at("spec", "maxUnavailable", default="N/A")(obj))),
        column("Allowed Disruptions", at("status", "disruptionsAllowed", default=0), "integer"),
        AGE,
    ),
    allow_unconditional_update=False,
)
