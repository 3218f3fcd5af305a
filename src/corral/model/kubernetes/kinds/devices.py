"""Devices, of the group resource.k8s.io: classes, claims, and what nodes have. Pure. Follows pkg/apis/resource."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from corral.model.kubernetes.kind import Column, Kind, Object
from corral.model.kubernetes.kinds.ages import since
from corral.model.kubernetes.kinds.cells import AGE, at, column
from corral.model.kubernetes.kinds.checks import (
    Problems,
    dns_label,
    dns_subdomain,
    each,
    immutable,
    label_name,
    label_value,
    listed,
    one_of,
    optional_of,
)
from corral.model.kubernetes.kinds.core.pod_spec.scheduling import node_selector
from corral.model.kubernetes.kinds.core.pod_spec.sources import csi_driver_name
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill_empty,
    flag,
    has,
    indexed,
    metadata,
    number,
    objects,
    part,
    text,
    texts,
    values,
)
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import OMITTED, duplicate, invalid, not_supported, required, too_many

_REQUESTS = _SELECTORS = _CONSTRAINTS = _CONFIGS = 32
_ALTERNATIVES, _DEVICES = 8, 128
_ONE = "exactly one of `exactly` or `firstAvailable` is required"
EFFECTS = ("NoExecute", "NoSchedule", "None")
_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


def _default_request(request: Object) -> None:
    for toleration in objects(request, "tolerations"):
        fill_empty(toleration, "operator", "Equal")
    fill_empty(request, "allocationMode", "ExactCount")
    if request["allocationMode"] == "ExactCount":
        fill_empty(request, "count", 1)


def _default_claim(spec: Object) -> None:
    for request in objects(ensure(spec, "devices"), "requests"):
        if isinstance(request.get("exactly"), dict):
            _default_request(request["exactly"])
        for alternative in objects(request, "firstAvailable"):
            _default_request(alternative)


def check_claim(spec: Object, path: str) -> Problems:
    devices, at_devices = part(spec, "devices"), f"{path}.devices"
    yield from _many(devices, "requests", _REQUESTS, at_devices)
    seen: set[str] = set()
    for at_one, request in indexed(devices, "requests", f"{at_devices}.requests"):
        yield from _named(text(request, "name"), seen, at_one)
        yield from _request(request, at_one)
    known = _request_names(devices)
    yield from _many(devices, "constraints", _CONSTRAINTS, at_devices)
    for at_one, constraint in indexed(devices, "constraints", f"{at_devices}.constraints"):
        yield from _known(constraint, known, at_one)
        if not text(constraint, "matchAttribute") and not text(constraint, "distinctAttribute"):
            yield required(f"{at_one}.matchAttribute")
    yield from _many(devices, "config", _CONFIGS, at_devices)
    for at_one, config in indexed(devices, "config", f"{at_devices}.config"):
        yield from _known(config, known, at_one)
        yield from _config(config, at_one)


def _many(holder: Object, key: str, most: int, path: str) -> Problems:
    if len(values(holder, key)) > most:
        yield too_many(f"{path}.{key}", len(values(holder, key)), most)


def _named(name: str, seen: set[str], path: str) -> Problems:
    yield from each(f"{path}.name", name, dns_label(name))
    if name in seen:
        yield duplicate(path, name)
    seen.add(name)


def _request_names(devices: Object) -> set[str]:
    """What constraints may refer to: requests, and alternatives within them."""
    found: set[str] = set()
    for request in objects(devices, "requests"):
        name = text(request, "name")
        found |= {name, *(f"{name}/{text(one, 'name')}" for one in objects(request, "firstAvailable"))}
    return found


def _known(holder: Object, known: Collection[str], path: str) -> Problems:
    for index, name in enumerate(texts(holder, "requests")):
        if name not in known:
            detail = "must be the name of a request in the claim or the name of a request and a subrequest "
            detail += "separated by '/'"
            yield invalid(f"{path}.requests[{index}]", name, detail)
        elif name in texts(holder, "requests")[:index]:
            yield duplicate(f"{path}.requests[{index}]", name)


def _request(request: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _request({"name": "gpu"}, "r")]
    ['r: Required value: exactly one of `exactly` or `firstAvailable` is required']
    """
    exactly, alternatives = request.get("exactly"), objects(request, "firstAvailable")
    if isinstance(exactly, dict) and alternatives:
        yield invalid(path, None, f"{_ONE}, but multiple fields are set")
    elif isinstance(exactly, dict):
        yield from _asked(exactly, f"{path}.exactly")
    elif alternatives:
        yield from _many(request, "firstAvailable", _ALTERNATIVES, path)
        seen: set[str] = set()
        for at_one, one in indexed(request, "firstAvailable", f"{path}.firstAvailable"):
            yield from _named(text(one, "name"), seen, at_one)
            yield from _asked(one, at_one)
    else:
        yield required(path, _ONE)


def _asked(request: Object, path: str) -> Problems:
    name, mode, count = text(request, "deviceClassName"), text(request, "allocationMode"), number(request, "count")
    if not name:
        yield required(f"{path}.deviceClassName")
    else:
        yield from each(f"{path}.deviceClassName", name, dns_subdomain(name))
    yield from _selectors(request, path)
    if mode == "All":
        if count:
            yield invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount":
        if count <= 0:
            yield invalid(f"{path}.count", count, "must be greater than zero")
    else:
        yield not_supported(f"{path}.allocationMode", mode, ("All", "ExactCount"))
    for at_one, toleration in indexed(request, "tolerations", f"{path}.tolerations"):
        yield from optional_of(toleration, "operator", at_one, ("Equal", "Exists"))
        yield from optional_of(toleration, "effect", at_one, EFFECTS)


def _selectors(holder: Object, path: str) -> Problems:
    yield from _many(holder, "selectors", _SELECTORS, path)
    for at_one, selector in indexed(holder, "selectors", f"{path}.selectors"):
        if not isinstance(selector.get("cel"), dict):
            yield required(f"{at_one}.cel")
        elif not text(selector["cel"], "expression"):
            yield required(f"{at_one}.cel.expression")


def _config(config: Object, path: str) -> Problems:
    opaque = config.get("opaque")
    if not isinstance(opaque, dict):
        yield required(f"{path}.opaque")
        return
    yield from csi_driver_name(text(opaque, "driver"), f"{path}.opaque.driver")
    parameters = opaque.get("parameters")
    if parameters is None:
        yield required(f"{path}.opaque.parameters")
    elif not isinstance(parameters, dict):
        yield invalid(f"{path}.opaque.parameters", "<value omitted>", "must be a valid JSON object")


def _claim_state(obj: Object) -> str:
    """
    >>> _claim_state({"status": {"allocation": {}, "reservedFor": [{"name": "web"}]}}), _claim_state({})
    ('allocated,reserved', 'pending')
    """
    status, deleted = part(obj, "status"), has(metadata(obj), "deletionTimestamp")
    found = ["deleted"] if deleted else []
    if not has(status, "allocation"):
        return ",".join([*found, *([] if deleted else ["pending"])])
    return ",".join([*found, "allocated", *(["reserved"] if values(status, "reservedFor") else [])])


def _default(obj: Object) -> None:
    _default_claim(ensure(obj, "spec"))
    ensure_status(obj)


RESOURCE_CLAIM = Kind(
    default=_default,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(lambda obj: check_claim(part(obj, "spec"), "spec")),
    validate_update=listed(lambda new, old: immutable(new, old, "", "spec")),
    has_status=True,
    has_generation=False,
    columns=(column("State", _claim_state), AGE),
)


def _template_spec(obj: Object) -> Object:
    return part(obj, "spec", "spec")


def _default_template(obj: Object) -> None:
    spec = ensure(obj, "spec")
    ensure(spec, "metadata")
    _default_claim(ensure(spec, "spec"))


RESOURCE_CLAIM_TEMPLATE = Kind(
    default=_default_template,
    validate=listed(lambda obj: check_claim(_template_spec(obj), "spec.spec")),
    validate_update=listed(lambda new, old: immutable(new, old, "", "spec")),
    has_generation=False,
    columns=(AGE,),
)


def _class(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from _selectors(spec, "spec")
    yield from _many(spec, "config", _CONFIGS, "spec")
    for at_one, config in indexed(spec, "config", "spec.config"):
        yield from _config(config, at_one)


def _default_class(obj: Object) -> None:
    ensure(obj, "spec")


DEVICE_CLASS = Kind(default=_default_class, validate=listed(_class), columns=(AGE,))


def _taint_rule(obj: Object) -> Problems:
    taint, path = part(obj, "spec", "taint"), "spec.taint"
    yield from label_name(text(taint, "key"), f"{path}.key")
    yield from each(f"{path}.value", text(taint, "value"), label_value(text(taint, "value")))
    yield from one_of(taint, "effect", path, EFFECTS)
    selector = part(obj, "spec", "deviceSelector")
    if driver := text(selector, "driver"):
        yield from csi_driver_name(driver, "spec.deviceSelector.driver")
    if device := text(selector, "device"):
        yield from each("spec.deviceSelector.device", device, dns_label(device))


def _added(obj: Object, now: datetime) -> str:
    added = part(obj, "spec", "taint").get("timeAdded")
    return since(added, now) if added else ""


DEVICE_TAINT_RULE = Kind(
    default=ensure_status,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_taint_rule),
    has_status=True,
    columns=(
        column("Key", at("spec", "taint", "key")),
        column("Value", at("spec", "taint", "value")),
        column("Effect", at("spec", "taint", "effect")),
        Column("TimeAdded", _added),
        AGE,
    ),
)


def _slice(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from csi_driver_name(text(spec, "driver"), "spec.driver")
    yield from _pool(part(spec, "pool"), "spec.pool")
    places = [
        has(spec, "nodeName"),
        has(spec, "nodeSelector"),
        flag(spec, "allNodes"),
        flag(spec, "perDeviceNodeSelection"),
    ]
    if not any(places):
        yield required("spec", _PLACE)
    elif sum(places) > 1:
        yield invalid("spec", OMITTED, f"{_PLACE}, but multiple fields are set")
    if has(spec, "nodeName"):
        yield from each("spec.nodeName", text(spec, "nodeName"), dns_subdomain(text(spec, "nodeName")))
    if isinstance(spec.get("nodeSelector"), dict):
        yield from node_selector(spec["nodeSelector"], "spec.nodeSelector")
    yield from _many(spec, "devices", _DEVICES, "spec")
    seen: set[str] = set()
    for at_one, device in indexed(spec, "devices", "spec.devices"):
        yield from _named(text(device, "name"), seen, at_one)


def _pool(pool: Object, path: str) -> Problems:
    name = text(pool, "name")
    if not name:
        yield required(f"{path}.name")
    for step in name.split("/") if name else ():
        yield from each(f"{path}.name", step, dns_subdomain(step))
    if number(pool, "resourceSliceCount") <= 0:
        yield invalid(f"{path}.resourceSliceCount", number(pool, "resourceSliceCount"), "must be greater than zero")
    if number(pool, "generation") < 0:
        detail = "must be greater than or equal to zero"
        yield invalid(f"{path}.generation", number(pool, "generation"), detail)


def _slice_update(new: Object, old: Object) -> Problems:
    spec, was = part(new, "spec"), part(old, "spec")
    yield from immutable(part(spec, "pool"), part(was, "pool"), "spec.pool", "name")
    yield from immutable(spec, was, "spec", "driver", "nodeName")


RESOURCE_SLICE = Kind(
    validate=listed(_slice),
    validate_update=listed(_slice_update),
    columns=(
        column("Node", at("spec", "nodeName")),
        column("Driver", at("spec", "driver")),
        column("Pool", at("spec", "pool", "name")),
        AGE,
    ),
    fields={
        "spec.nodeName": lambda obj: text(part(obj, "spec"), "nodeName"),
        "spec.driver": lambda obj: text(part(obj, "spec"), "driver"),
    },
)
