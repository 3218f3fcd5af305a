"""ReplicaSet. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.apps.rollout import check_selector, check_template, template_warnings
from corral.model.kubernetes.kinds.cells import AGE, at, column, container_columns, format_selector, wide
from corral.model.kubernetes.kinds.checks import Problems, immutable, listed, nonnegative
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_template
from corral.model.kubernetes.kinds.core.replication_controller import check_status
from corral.model.kubernetes.kinds.fields import ensure, fill, number, part
from corral.model.kubernetes.kinds.statuses import cleared, ensure_status, keep_spec, keep_status

_ALWAYS = {"replicas": 0}


def _default(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill(spec, "replicas", 1)
    default_template(ensure(spec, "template"))
    ensure_status(obj, **_ALWAYS)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from nonnegative(spec, "spec", "replicas", "minReadySeconds")
    yield from check_selector(spec, "empty selector is invalid for deployment")
    yield from check_template(spec, "ReplicaSet")


def _validate_update(new: Object, old: Object) -> Problems:
    return immutable(part(new, "spec"), part(old, "spec"), "spec", "selector")


REPLICA_SET = Kind(
    default=_default,
    prepare_create=cleared(**_ALWAYS),
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(check_status),
    warnings=template_warnings,
    has_status=True,
    columns=(
        column("Desired", at("spec", "replicas", default=0), "integer"),
        column("Current", at("status", "replicas", default=0), "integer"),
        column("Ready", at("status", "readyReplicas", default=0), "integer"),
        AGE,
        *container_columns("spec", "template"),
        wide("Selector", lambda obj: format_selector(part(obj, "spec").get("selector"))),
    ),
    fields={"status.replicas": lambda obj: str(number(part(obj, "status"), "replicas"))},
)
