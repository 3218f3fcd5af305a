"""ReplicationController and PodTemplate. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import (
    AGE,
    at,
    column,
    container_columns,
    container_images,
    container_names,
    format_labels,
    template_containers,
    wide,
)
from corral.model.kubernetes.kinds.checks import Problems, listed, nonnegative
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_template
from corral.model.kubernetes.kinds.core.pod_spec.validation import check_pod_template, check_restart_policy
from corral.model.kubernetes.kinds.core.pod_spec.warnings import warn
from corral.model.kubernetes.kinds.fields import ensure, fill, has, metadata, number, part, text
from corral.model.kubernetes.kinds.statuses import (
    check_replicas,
    cleared,
    ensure_status,
    keep_spec,
    keep_status,
)
from corral.model.kubernetes.problems import forbidden, invalid, required
from corral.model.kubernetes.selectors import of_labels

_ALWAYS = {"replicas": 0}

_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def _default(obj: Object) -> None:
    """The selector and the controller's own labels are those of the template, where they are missing."""
    spec = ensure(obj, "spec")
    fill(spec, "replicas", 1)
    if isinstance(spec.get("template"), dict):
        default_template(spec["template"])
        if labels := part(spec, "template", "metadata", "labels"):
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            if not part(obj, "metadata", "labels"):
                ensure(obj, "metadata")["labels"] = dict(labels)
    ensure_status(obj, **_ALWAYS)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from nonnegative(spec, "spec", "minReadySeconds")
    if not part(spec, "selector"):
        yield required("spec.selector")
    if not has(spec, "replicas"):
        yield required("spec.replicas")
    yield from nonnegative(spec, "spec", "replicas")
    template = spec.get("template")
    if not isinstance(template, dict):
        yield required("spec.template")
        return
    labels = part(template, "metadata", "labels")
    if not of_labels(part(spec, "selector")).matches(labels):
        yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from check_pod_template(template, "spec.template")
    yield from check_restart_policy(template, "spec.template", ("Always",))
    if has(part(template, "spec"), "activeDeadlineSeconds"):
        detail = "activeDeadlineSeconds in ReplicationController is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def check_status(new: Object, old: Object) -> Problems:
    """Of a ReplicationController or ReplicaSet."""
    yield from check_replicas(new, *_COUNTS, below=_COUNTS[1:])
    status = part(new, "status")
    if number(status, "availableReplicas") > number(status, "readyReplicas"):
        value = number(status, "availableReplicas")
        yield invalid("status.availableReplicas", value, "cannot be greater than readyReplicas")


REPLICATION_CONTROLLER = Kind(
    default=_default,
    prepare_create=cleared(**_ALWAYS),
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_status=listed(check_status),
    warnings=lambda new, old: list(warn(part(new, "spec", "template"), "spec.template")),
    has_status=True,
    columns=(
        column("Desired", at("spec", "replicas", default=0), "integer"),
        column("Current", at("status", "replicas", default=0), "integer"),
        column("Ready", at("status", "readyReplicas", default=0), "integer"),
        AGE,
        *container_columns("spec", "template"),
        wide("Selector", lambda obj: format_labels(part(obj, "spec"), "selector")),
    ),
    fields={
        "status.replicas": lambda obj: str(number(part(obj, "status"), "replicas")),
        "name": lambda obj: text(metadata(obj), "name"),
    },
)


def _check_pod_template(obj: Object) -> Problems:
    return check_pod_template(part(obj, "template"), "template")


POD_TEMPLATE = Kind(
    default=lambda obj: default_template(ensure(obj, "template")),
    validate=listed(_check_pod_template),
    warnings=lambda new, old: list(warn(part(new, "template"), "template")),
    columns=(
        column("Containers", lambda obj: container_names(template_containers(obj, "template"))),
        column("Images", lambda obj: container_images(template_containers(obj, "template"))),
        column("Pod Labels", lambda obj: format_labels(part(obj, "template", "metadata"), "labels")),
    ),
)
