"""PersistentVolumeClaim. Pure. Follows ValidatePersistentVolumeClaimUpdate."""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, UNSET, at, column, wide
from corral.model.kubernetes.kinds.checks import Problems, immutable, listed, qualified_name
from corral.model.kubernetes.kinds.core import claim_spec, resources
from corral.model.kubernetes.kinds.core.access_modes import short_modes
from corral.model.kubernetes.kinds.core.persistent_volume import CLASS_ANNOTATION, phase, storage_class
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_claim_spec
from corral.model.kubernetes.kinds.differences import difference
from corral.model.kubernetes.kinds.fields import (
    annotations_of,
    ensure,
    fill_empty,
    has,
    keep,
    metadata,
    pairs,
    part,
    same,
    text,
    texts,
)
from corral.model.kubernetes.problems import forbidden, invalid, not_supported

_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_RESIZES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)


def default(obj: Object) -> None:
    default_claim_spec(ensure(obj, "spec"))
    claim_spec.default_sources(obj["spec"])
    status = ensure(obj, "status")
    fill_empty(status, "phase", "Pending")
    resources.canonical(status, "capacity", "allocatedResources")


def _validate(obj: Object) -> Problems:
    return claim_spec.check(part(obj, "spec"), "spec")


def _validate_update(new: Object, old: Object) -> Problems:
    spec, was = part(new, "spec"), part(old, "spec")
    after, before = _comparable(new, old)
    if not same(after, before):
        yield forbidden("spec", f"{_FIXED}\n{difference(before, after)}")
    yield from _annotation(new, old)
    yield from _shrinking(new, old)
    yield from immutable(spec, was, "", "volumeMode")
    current = has(part(old, "status"), "currentVolumeAttributesClassName")
    name, path = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if current and name != was.get("volumeAttributesClassName") and not name:
        what = "nil" if name is None else "empty string"
        detail = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        yield forbidden(path, detail)


def _comparable(new: Object, old: Object) -> tuple[Object, Object]:
    """Both specs, without what may change."""
    after, before = dict(part(new, "spec")), dict(part(old, "spec"))
    if not text(before, "volumeName"):
        keep(before, after, "volumeName")
    annotation = text(annotations_of(old), CLASS_ANNOTATION)
    name = after.get("storageClassName")
    if before.get("storageClassName") is None and name is not None and (not annotation or annotation == name):
        after.pop("storageClassName")
        before.pop("storageClassName", None)
    if text(part(new, "status"), "phase") == "Bound":
        keep(after, before, "volumeAttributesClassName")
        requests = dict(part(after, "resources", "requests"))
        keep(requests, part(before, "resources", "requests"), "storage")
        after["resources"] = {**part(after, "resources"), "requests": requests}
    return after, before


def _annotation(new: Object, old: Object) -> Problems:
    before, after = annotations_of(old).get(CLASS_ANNOTATION), annotations_of(new).get(CLASS_ANNOTATION)
    moved = before is not None and after is None and part(new, "spec").get("storageClassName") == before
    if before != after and not moved:
        yield invalid(f"metadata.annotations[{CLASS_ANNOTATION}]", after or "", "field is immutable")


def _requested(obj: Object) -> Any:
    return resources.read(part(obj, "spec", "resources", "requests").get("storage"))


def _shrinking(new: Object, old: Object) -> Problems:
    """A request that failed may be lowered, down to what the volume has."""
    after, before = _requested(new), _requested(old)
    actual = resources.read(part(old, "status", "capacity").get("storage"))
    if after is not None and before is not None and actual is not None and after < before and after <= actual:
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


def _validate_status(new: Object, old: Object) -> Problems:
    status = part(new, "status")
    for _, amount, path in resources.amounts(status, "capacity", "status.capacity"):
        if amount.nanos < 0:
            yield invalid(path, amount.ceil(), "must be a valid resource quantity")
    for which in ("allocatedResourceStatuses", "allocatedResources"):
        for key, value in pairs(status, which):
            for detail in qualified_name(key):
                yield invalid(f"status.{which}", key, detail)
            if resources.is_native(key) and key != "storage":
                yield not_supported(f"status.{which}", key, ("storage",))
            if which == "allocatedResourceStatuses" and value not in _RESIZES:
                yield not_supported(f"status.{which}", key, _RESIZES)


def _warnings(new: Object, old: Object | None) -> list[str]:
    found = []
    if CLASS_ANNOTATION in annotations_of(new):
        says = 'deprecated since v1.8; use "storageClassName" attribute instead'
        found.append(f"metadata.annotations[{CLASS_ANNOTATION}]: {says}")
    for which in ("requests", "limits"):
        amount = resources.read(part(new, "spec", "resources", which).get("storage"))
        if amount and amount.milli() % 1000:
            says = f'fractional byte value "{amount}" is invalid, must be an integer'
            found.append(f"spec.resources.{which}[storage]: {says}")
    return found


def _prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Pending"}


def _capacity(obj: Object) -> str:
    """Of a claim that has a volume."""
    if not text(part(obj, "spec"), "volumeName"):
        return ""
    return str(part(obj, "status", "capacity").get("storage", "0"))


def _modes(obj: Object) -> str:
    return short_modes(texts(part(obj, "status"), "accessModes")) if text(part(obj, "spec"), "volumeName") else ""


PERSISTENT_VOLUME_CLAIM = Kind(
    default=default,
    prepare_create=_prepare_create,
    prepare_update=lambda new, old: keep(new, old, "status"),
    prepare_status=lambda new, old: keep(new, old, "spec"),
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(_validate_status),
    warnings=_warnings,
    has_status=True,
    has_generation=False,
    columns=(
        column("Status", phase),
        column("Volume", at("spec", "volumeName")),
        column("Capacity", _capacity),
        column("Access Modes", _modes),
        column("StorageClass", storage_class),
        column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default=UNSET)),
        AGE,
        wide("VolumeMode", at("spec", "volumeMode", default=UNSET)),
    ),
    fields={"name": lambda obj: text(metadata(obj), "name")},
)
