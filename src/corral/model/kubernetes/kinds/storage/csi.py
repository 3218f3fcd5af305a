"""What CSI drivers say of themselves, of nodes and of room; and what they attach. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, UNSET, at, column, count
from corral.model.kubernetes.kinds.checks import (
    Problems,
    dns_subdomain,
    each,
    immutable,
    label_selector,
    listed,
    optional_of,
    qualified_name,
)
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.pod_spec.sources import csi_driver_name
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill,
    has,
    indexed,
    metadata,
    number,
    objects,
    part,
    same,
    text,
    texts,
    values,
)
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import duplicate, invalid, not_supported, required, too_long

_MODES = ("Ephemeral", "Persistent")
_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


def _default_driver(obj: Object) -> None:
    spec = ensure(obj, "spec")
    for key, value in _DEFAULTS.items():
        fill(spec, key, value)
    if not values(spec, "volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _driver(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from csi_driver_name(text(metadata(obj), "name"), "metadata.name")
    for key in ("attachRequired", "podInfoOnMount", "storageCapacity"):
        if not has(spec, key):
            yield required(f"spec.{key}")
    yield from optional_of(spec, "fsGroupPolicy", "spec", ("File", "None", "ReadWriteOnceWithFSType"))
    for mode in texts(spec, "volumeLifecycleModes"):
        if mode not in _MODES:
            yield not_supported("spec.volumeLifecycleModes", mode, _MODES)
    seen: set[str] = set()
    for path, request in indexed(spec, "tokenRequests", "spec.tokenRequests"):
        audience = text(request, "audience")
        if audience in seen:
            yield duplicate(f"{path}.audience", audience)
        seen.add(audience)
        seconds = number(request, "expirationSeconds")
        if has(request, "expirationSeconds") and seconds < 600:
            detail = "may not specify a duration less than 10 minutes"
            yield invalid(f"{path}.expirationSeconds", seconds, detail)


def _driver_update(new: Object, old: Object) -> Problems:
    fixed = ("attachRequired", "volumeLifecycleModes")
    return immutable(part(new, "spec"), part(old, "spec"), "spec", *fixed)


def _tokens(obj: Object) -> str:
    spec = part(obj, "spec")
    if not has(spec, "tokenRequests"):
        return UNSET
    return ",".join(text(one, "audience") for one in objects(spec, "tokenRequests"))


CSI_DRIVER = Kind(
    default=_default_driver,
    validate=listed(_driver),
    validate_update=listed(_driver_update),
    columns=(
        column("AttachRequired", at("spec", "attachRequired", default=True), "boolean"),
        column("PodInfoOnMount", at("spec", "podInfoOnMount", default=False), "boolean"),
        column("StorageCapacity", at("spec", "storageCapacity", default=False), "boolean"),
        column("TokenRequests", _tokens),
        column("RequiresRepublish", at("spec", "requiresRepublish", default=False), "boolean"),
        column("Modes", lambda obj: ",".join(texts(part(obj, "spec"), "volumeLifecycleModes")) or "<none>"),
        AGE,
    ),
    allow_unconditional_update=False,
)


def _node(obj: Object) -> Problems:
    seen: set[str] = set()
    for path, driver in indexed(part(obj, "spec"), "drivers", "spec.drivers"):
        name, node = text(driver, "name"), text(driver, "nodeID")
        yield from csi_driver_name(name, f"{path}.name")
        if not node:
            yield required(f"{path}.nodeID")
        if len(node) > 256:
            yield invalid(f"{path}.nodeID", node, "must be 256 characters or less")
        most = part(driver, "allocatable").get("count")
        if most is not None and most < 0:
            yield invalid(f"{path}.allocatable.count", most, "must be greater than or equal to 0")
        if name in seen:
            yield duplicate(f"{path}.name", name)
        seen.add(name)
        for key in texts(driver, "topologyKeys"):
            if not key:
                yield required(f"{path}.topologyKeys")
            yield from each(f"{path}.topologyKeys", key, qualified_name(key))


def _node_update(new: Object, old: Object) -> Problems:
    """A driver comes and goes; it does not change."""
    before = {text(one, "name"): one for one in objects(part(old, "spec"), "drivers")}
    for driver in objects(part(new, "spec"), "drivers"):
        was = before.get(text(driver, "name"))
        if was is not None and not same({**driver, "allocatable": None}, {**was, "allocatable": None}):
            yield invalid("CSINodeDriver", driver, "field is immutable")


CSI_NODE = Kind(
    default=ensure_status,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_node),
    validate_update=listed(_node_update),
    has_status=True,
    has_generation=False,
    columns=(column("Drivers", lambda obj: count(part(obj, "spec").get("drivers")), "integer"), AGE),
    allow_unconditional_update=False,
)


def _capacity(obj: Object) -> Problems:
    yield from label_selector(obj, "nodeTopology", "nodeTopology")
    if name := text(obj, "storageClassName"):
        yield from each("storageClassName", name, dns_subdomain(name))
    else:
        yield required("storageClassName")
    for key in ("capacity", "maximumVolumeSize"):
        amount = resources.read(obj.get(key))
        if has(obj, key) and amount is not None and amount.nanos < 0:
            yield invalid(key, str(amount), "must be greater than or equal to 0")


CSI_STORAGE_CAPACITY = Kind(
    validate=listed(_capacity),
    validate_update=listed(lambda new, old: immutable(new, old, "", "nodeTopology", "storageClassName")),
    has_generation=False,
    columns=(
        column("StorageClassName", at("storageClassName")),
        column("Capacity", lambda obj: str(at("capacity", default=UNSET)(obj))),
    ),
    allow_unconditional_update=False,
)


def _attachment(obj: Object) -> Problems:
    spec = part(obj, "spec")
    attacher, node = text(spec, "attacher"), text(spec, "nodeName")
    if not attacher:
        yield required("spec.attacher")
    else:
        yield from each("spec.attacher", attacher, qualified_name(attacher.lower()))
    source = part(spec, "source")
    volume, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if volume is None and inline is None:
        yield required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif volume is not None and inline is not None:
        detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        yield invalid("spec.source", source, detail)
    elif volume == "":
        yield required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")
    yield from each("spec.nodeName", node, dns_subdomain(node))
    yield from _attachment_status(obj)


def _attachment_status(obj: Object) -> Problems:
    for key in ("attachError", "detachError"):
        if len(text(part(obj, "status", key), "message")) > 1024:
            yield too_long(f"status.{key}.message", 1024)


def _detached(obj: Object) -> None:
    obj["status"] = {"attached": False}


VOLUME_ATTACHMENT = Kind(
    default=lambda obj: fill(ensure(obj, "status"), "attached", False),
    prepare_create=_detached,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_attachment),
    validate_update=listed(lambda new, old: immutable(new, old, "", "spec")),
    validate_status=listed(lambda new, old: _attachment_status(new)),
    has_status=True,
    has_generation=False,
    columns=(
        column("Attacher", at("spec", "attacher")),
        column("PV", at("spec", "source", "persistentVolumeName")),
        column("Node", at("spec", "nodeName")),
        column("Attached", at("status", "attached", default=False), "boolean"),
        AGE,
    ),
    allow_unconditional_update=False,
)
