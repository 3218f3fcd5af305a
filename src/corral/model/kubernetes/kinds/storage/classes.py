"""StorageClass and VolumeAttributesClass. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, at, column, own_name
from corral.model.kubernetes.kinds.checks import Problems, each, immutable, listed, one_of, qualified_name
from corral.model.kubernetes.kinds.core.pod_spec.sources import csi_driver_name
from corral.model.kubernetes.kinds.core.pod_spec.warnings import NODE_LABELS
from corral.model.kubernetes.kinds.fields import (
    annotations_of,
    fill,
    indexed,
    metadata,
    pairs,
    same,
    text,
    texts,
)
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, required, too_long

_DEFAULTS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_LONGEST, _MOST = 256 * 1024, 512


def _default(obj: Object) -> None:
    fill(obj, "reclaimPolicy", "Delete")
    fill(obj, "volumeBindingMode", "Immediate")


def _validate(obj: Object) -> Problems:
    if name := text(obj, "provisioner"):
        yield from each("provisioner", name, qualified_name(name.lower()))
    else:
        yield required("provisioner")
    yield from _parameters(obj, allow_empty=True)
    yield from one_of(obj, "reclaimPolicy", "", ("Delete", "Retain"))
    yield from one_of(obj, "volumeBindingMode", "", ("Immediate", "WaitForFirstConsumer"))
    for at_term, term in indexed(obj, "allowedTopologies", "allowedTopologies"):
        path = f"{at_term}.matchLabelExpressions"
        seen: set[str] = set()
        for at_one, one in indexed(term, "matchLabelExpressions", path):
            key = text(one, "key")
            if not texts(one, "values"):
                yield required(f"{at_one}.values")
            yield from each(f"{at_one}.key", key, qualified_name(key))
            if key in seen:
                yield duplicate(f"{at_one}.key", key)
            seen.add(key)


def _parameters(obj: Object, allow_empty: bool) -> Problems:
    found = pairs(obj, "parameters")
    if not found and not allow_empty:
        yield required("parameters", "must contain at least one key/value pair")
    if len(found) > _MOST:
        yield too_long("parameters", _MOST)
        return
    for key, _ in found:
        if not key:
            yield invalid("parameters", key, "field can not be empty.")
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in found) > _LONGEST:
        yield too_long("parameters", _LONGEST)


def _validate_update(new: Object, old: Object) -> Problems:
    for key in ("parameters", "provisioner", "reclaimPolicy"):
        if not same(new.get(key), old.get(key)):
            yield forbidden(key, f"updates to {key} are forbidden.")
    yield from immutable(new, old, "", "volumeBindingMode")


def is_default(obj: Object) -> bool:
    """Whether claims without a class get this one."""
    return any(annotations_of(obj).get(key) == "true" for key in _DEFAULTS)


def _name(obj: Object) -> str:
    """
    >>> _name({"metadata": {"name": "fast", "annotations": {_DEFAULTS[0]: "true"}}})
    'fast (default)'
    """
    return text(metadata(obj), "name") + (" (default)" if is_default(obj) else "")


def _warnings(new: Object, old: Object | None) -> list[str]:
    found = []
    for path, term in indexed(new, "allowedTopologies", "allowedTopologies"):
        for at_one, one in indexed(term, "matchLabelExpressions", f"{path}.matchLabelExpressions"):
            if (key := text(one, "key")) in NODE_LABELS:
                found.append(f"{at_one}.key: {key} is {NODE_LABELS[key]}")
    return found


STORAGE_CLASS = Kind(
    default=_default,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    warnings=_warnings,
    has_generation=False,
    columns=(
        own_name(_name),
        column("Provisioner", at("provisioner")),
        column("ReclaimPolicy", at("reclaimPolicy", default="Delete")),
        column("VolumeBindingMode", at("volumeBindingMode", default="Immediate")),
        column("AllowVolumeExpansion", at("allowVolumeExpansion", default=False)),
        AGE,
    ),
)


def _attributes(obj: Object) -> Problems:
    yield from csi_driver_name(text(obj, "driverName"), "driverName")
    yield from _parameters(obj, allow_empty=False)


def _attributes_update(new: Object, old: Object) -> Problems:
    for key in ("driverName", "parameters"):
        if not same(new.get(key), old.get(key)):
            yield forbidden(key, f"updates to {key} are forbidden.")


VOLUME_ATTRIBUTES_CLASS = Kind(
    validate=listed(_attributes),
    validate_update=listed(_attributes_update),
    has_generation=False,
    columns=(column("DriverName", at("driverName")), AGE),
)
