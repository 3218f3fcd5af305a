"""PersistentVolume. Pure. Follows ValidatePersistentVolume."""

from __future__ import annotations

import posixpath

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, UNSET, at, column, wide
from corral.model.kubernetes.kinds.checks import Problems, dns_subdomain, each, immutable, listed, optional_of
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.access_modes import short_modes
from corral.model.kubernetes.kinds.core.claim_spec import VOLUME_MODES, check_access_modes
from corral.model.kubernetes.kinds.core.pod_spec import sources
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_source
from corral.model.kubernetes.kinds.core.pod_spec.scheduling import node_selector
from corral.model.kubernetes.kinds.core.pod_spec.warnings import NODE_LABELS
from corral.model.kubernetes.kinds.differences import difference
from corral.model.kubernetes.kinds.fields import (
    annotations_of,
    ensure,
    fill,
    fill_empty,
    has,
    indexed,
    keep,
    metadata,
    part,
    same,
    text,
    texts,
)
from corral.model.kubernetes.problems import forbidden, invalid, not_supported, required

RECLAIM = ("Delete", "Recycle", "Retain")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_CHECKS = {**sources.SHARED, "local": sources.local, "csi": sources.csi_persistent}


def _default(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill_empty(ensure(obj, "status"), "phase", "Pending")
    fill_empty(spec, "persistentVolumeReclaimPolicy", "Retain")
    fill(spec, "volumeMode", "Filesystem")
    resources.canonical(spec, "capacity")
    default_source(spec)
    if isinstance(spec.get("claimRef"), dict):
        fill_empty(spec["claimRef"], "kind", "PersistentVolumeClaim")
        fill_empty(spec["claimRef"], "apiVersion", "v1")


def _prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Pending"}


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    modes = texts(spec, "accessModes")
    if not modes:
        yield required("spec.accessModes")
    yield from check_access_modes(modes, "spec.accessModes")
    yield from _capacity(spec)
    if (policy := text(spec, "persistentVolumeReclaimPolicy")) not in RECLAIM:
        yield not_supported("spec.persistentVolumeReclaimPolicy", policy, RECLAIM)
    if isinstance(spec.get("nodeAffinity"), dict):
        yield from _affinity(spec["nodeAffinity"])
    yield from _source(spec)
    if posixpath.normpath(text(part(spec, "hostPath"), "path") or ".") == "/" and policy == "Recycle":
        yield forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'")
    if name := text(spec, "storageClassName"):
        yield from each("spec.storageClassName", name, dns_subdomain(name))
    yield from optional_of(spec, "volumeMode", "spec", VOLUME_MODES)
    yield from _attributes_class(spec)


def _capacity(spec: Object) -> Problems:
    capacity = part(spec, "capacity")
    if not capacity:
        yield required("spec.capacity")
    if set(capacity) != {"storage"}:
        yield not_supported("spec.capacity", capacity or None, ("storage",))
    for _, amount, path in resources.amounts(spec, "capacity", "spec.capacity"):
        if amount.nanos < 0:
            yield invalid(path, amount.ceil(), "must be a valid resource quantity")
        yield from resources.positive_amount(amount, path)


def _affinity(found: Object) -> Problems:
    if isinstance(found.get("required"), dict):
        yield from node_selector(found["required"], "spec.nodeAffinity.required")
    else:
        yield required("spec.nodeAffinity.required", "must specify required node constraints")


def _source(spec: Object) -> Problems:
    """
    >>> [str(one) for one in _source({})]
    ['spec: Required value: must specify a volume type']
    """
    kinds = [key for key in _CHECKS if isinstance(spec.get(key), dict)]
    for index, key in enumerate(kinds):
        if index:
            yield forbidden(f"spec.{key}", "may not specify more than 1 volume type")
        else:
            yield from _CHECKS[key](spec[key], f"spec.{sources.SHOWN.get(key, key)}")
    if not kinds:
        yield required("spec", "must specify a volume type")
    if "local" in kinds and not has(spec, "nodeAffinity"):
        yield required("spec.nodeAffinity", "Local volume requires node affinity")


def _attributes_class(spec: Object) -> Problems:
    if not has(spec, "volumeAttributesClassName"):
        return
    if name := text(spec, "volumeAttributesClassName"):
        yield from each("spec.volumeAttributesClassName", name, dns_subdomain(name))
    else:
        yield required("spec.volumeAttributesClassName", "an empty string is disallowed")
    if not has(spec, "csi"):
        yield required("spec.csi", "has to be specified when using volumeAttributesClassName")


def _sources_of(spec: Object) -> Object:
    return {key: spec[key] for key in _CHECKS if has(spec, key)}


def _validate_update(new: Object, old: Object) -> Problems:
    spec, was = part(new, "spec"), part(old, "spec")
    after, before = _sources_of(spec), _sources_of(was)
    if has(after, "csi") and has(before, "csi") and not has(before["csi"], "controllerExpandSecretRef"):
        after["csi"] = {key: value for key, value in after["csi"].items() if key != "controllerExpandSecretRef"}
    if not same(after, before):
        says = f"spec.persistentvolumesource is immutable after creation\n{difference(before, after)}"
        yield forbidden("spec.persistentvolumesource", says)
    yield from immutable(spec, was, "", "volumeMode")
    if has(was, "nodeAffinity"):
        yield from immutable(spec, was, "", "nodeAffinity")
    if has(was, "volumeAttributesClassName") and not has(spec, "volumeAttributesClassName"):
        yield forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")


def _warnings(new: Object, old: Object | None) -> list[str]:
    spec, notes = part(new, "spec"), annotations_of(new)
    found = []
    required_terms = part(spec, "nodeAffinity", "required")
    for path, term in indexed(required_terms, "nodeSelectorTerms", "spec.nodeAffinity.required.nodeSelectorTerms"):
        for expression, one in indexed(term, "matchExpressions", f"{path}.matchExpressions"):
            if (key := text(one, "key")) in NODE_LABELS:
                found.append(f"{expression}.key: {key} is {NODE_LABELS[key]}")
    if CLASS_ANNOTATION in notes:
        says = 'deprecated since v1.8; use "storageClassName" attribute instead'
        found.append(f"metadata.annotations[{CLASS_ANNOTATION}]: {says}")
    if text(spec, "persistentVolumeReclaimPolicy") == "Recycle":
        says = "The Recycle reclaim policy is deprecated. Instead, "
        says += "the recommended approach is to use dynamic provisioning."
        found.append(f"spec.persistentVolumeReclaimPolicy: {says}")
    return found


def _claim(obj: Object) -> str:
    claim = part(obj, "spec").get("claimRef")
    return f"{text(claim, 'namespace')}/{text(claim, 'name')}" if isinstance(claim, dict) else ""


def storage_class(obj: Object) -> str:
    """The class by its field, or by the annotation that was before it."""
    return text(annotations_of(obj), CLASS_ANNOTATION) or text(part(obj, "spec"), "storageClassName")


def phase(obj: Object) -> str:
    return "Terminating" if has(metadata(obj), "deletionTimestamp") else text(part(obj, "status"), "phase")


PERSISTENT_VOLUME = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=lambda new, old: keep(new, old, "status"),
    prepare_status=lambda new, old: keep(new, old, "spec"),
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    warnings=_warnings,
    has_status=True,
    has_generation=False,
    columns=(
        column("Capacity", at("spec", "capacity", "storage", default="0")),
        column("Access Modes", lambda obj: short_modes(texts(part(obj, "spec"), "accessModes"))),
        column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy")),
        column("Status", phase),
        column("Claim", _claim),
        column("StorageClass", storage_class),
        column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default=UNSET)),
        column("Reason", at("status", "reason")),
        AGE,
        wide("VolumeMode", at("spec", "volumeMode", default=UNSET)),
    ),
    fields={"name": lambda obj: text(metadata(obj), "name")},
)
