"""Namespace and ServiceAccount. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, at, column, count
from corral.model.kubernetes.kinds.checks import Problems, dns_label, each, listed, qualified_name
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill_empty,
    has,
    is_new,
    keep,
    metadata,
    objects,
    part,
    text,
    texts,
)
from corral.model.kubernetes.problems import invalid

NAME_LABEL = "kubernetes.io/metadata.name"
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
ENFORCE = "kubernetes.io/enforce-mountable-secrets"


def _default(obj: Object) -> None:
    if name := text(metadata(obj), "name"):
        ensure(metadata(obj), "labels")[NAME_LABEL] = name
    ensure(obj, "spec")
    fill_empty(ensure(obj, "status"), "phase", "Active")


def _prepare_create(obj: Object) -> None:
    """A namespace is active, and the cluster itself must have emptied it before it can go."""
    obj["status"] = {"phase": "Active"}
    spec = ensure(obj, "spec")
    if "kubernetes" not in texts(spec, "finalizers"):
        spec["finalizers"] = [*texts(spec, "finalizers"), "kubernetes"]


def _prepare_update(new: Object, old: Object) -> None:
    """Finalizers are changed by a subresource of their own (finalize)."""
    keep(new, old, "status")
    keep(ensure(new, "spec"), part(old, "spec"), "finalizers")


def _validate(obj: Object) -> Problems:
    """
    >>> [str(one) for one in _validate({"spec": {"finalizers": ["mine"]}})][-1][-67:]
    'name is neither a standard finalizer name nor is it fully qualified'
    """
    for one in texts(part(obj, "spec"), "finalizers"):
        yield from each("spec.finalizers", one, qualified_name(one))
        if "/" not in one and one not in _STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid("spec.finalizers", one, detail)


def _validate_status(new: Object, old: Object) -> Problems:
    phase, deleted = text(part(new, "status"), "phase"), has(metadata(new), "deletionTimestamp")
    if not deleted and phase != "Active":
        yield invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
    if deleted and phase != "Terminating":
        yield invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")


NAMESPACE = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_status=lambda new, old: keep(new, old, "spec"),
    validate=listed(_validate),
    validate_status=listed(_validate_status),
    validate_name=dns_label,
    has_status=True,
    has_generation=False,
    columns=(column("Status", at("status", "phase")), AGE),
    fields={
        "status.phase": lambda obj: text(part(obj, "status"), "phase"),
        "name": lambda obj: text(metadata(obj), "name"),
    },
)


def _account_warnings(new: Object, old: Object | None) -> list[str]:
    notes = part(new, "metadata", "annotations")
    if ENFORCE not in notes:
        return []
    says = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{ENFORCE}]: {says}"]


def _clean_secrets(obj: Object) -> None:
    """In place: a reference to a secret is its name."""
    found = objects(obj, "secrets")
    if found:
        obj["secrets"] = [{"name": text(one, "name")} for one in found]


SERVICE_ACCOUNT = Kind(
    prepare_create=_clean_secrets,
    prepare_update=lambda new, old: _clean_secrets(new),
    warnings=lambda new, old: _account_warnings(new, old) if is_new(new) or old is not None else [],
    has_generation=False,
    columns=(column("Secrets", lambda obj: count(obj.get("secrets"))), AGE),
)
