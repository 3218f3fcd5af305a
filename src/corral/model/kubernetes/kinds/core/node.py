"""Node. Follows pkg/registry/core/node/strategy.go and ValidateNode."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, NONE, column, wide
from corral.model.kubernetes.kinds.checks import Problems, legacy_cidr, listed
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.pod_spec.scheduling import check_taints
from corral.model.kubernetes.kinds.core.pod_spec.warnings import NODE_LABELS
from corral.model.kubernetes.kinds.fields import (
    ensure,
    flag,
    has,
    indexed,
    is_new,
    keep,
    labels_of,
    objects,
    pairs,
    part,
    text,
    texts,
)
from corral.model.kubernetes.problems import duplicate, forbidden, invalid

_ROLE = "node-role.kubernetes.io/"
_ONCE = 'except from "" to valid'


def _default(obj: Object) -> None:
    """The addresses of a node's pods have an old field for the first, and one for all."""
    spec, status = ensure(obj, "spec"), ensure(obj, "status")
    cidr, cidrs = text(spec, "podCIDR"), texts(spec, "podCIDRs")
    if cidr and not cidrs:
        spec["podCIDRs"] = [cidr]
    elif cidrs and not cidr:
        spec["podCIDR"] = cidrs[0]
    resources.canonical(status, "capacity", "allocatable")
    if not has(status, "allocatable") and has(status, "capacity"):
        status["allocatable"] = dict(status["capacity"])


def _validate(obj: Object) -> Problems:
    spec, status = part(obj, "spec"), part(obj, "status")
    yield from check_taints(spec, "metadata.taints")
    for which in ("capacity", "allocatable"):
        for name, amount, _ in resources.amounts(status, which, ""):
            yield from resources.amount_value(name, amount, f"status.{which}.{name}")
    if is_new(obj):
        yield from _pod_cidrs(texts(spec, "podCIDRs"))


def _pod_cidrs(cidrs: list[str]) -> Problems:
    for index, cidr in enumerate(cidrs):
        yield from legacy_cidr(cidr, f"spec.podCIDRs[{index}]")
    families = {":" in cidr for cidr in cidrs}
    if len(cidrs) > 2 or (len(cidrs) == 2 and len(families) < 2):
        yield invalid("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family")


def _validate_update(new: Object, old: Object) -> Problems:
    spec, was = part(new, "spec"), part(old, "spec")
    seen: list[Object] = []
    for at, one in indexed(part(new, "status"), "addresses", "status.addresses"):
        if one in seen:
            yield duplicate(at, one)
        seen.append(one)
    if texts(was, "podCIDRs") and texts(was, "podCIDRs") != texts(spec, "podCIDRs"):
        yield forbidden("spec.podCIDRs", f"node updates may not change podCIDR {_ONCE}")
    if text(was, "providerID") and text(was, "providerID") != text(spec, "providerID"):
        yield forbidden("spec.providerID", f"node updates may not change providerID {_ONCE}")
    if text(spec, "externalID") != text(was, "externalID"):
        yield forbidden("spec.externalID", "may not be updated")


def _warnings(new: Object, old: Object | None) -> list[str]:
    found = []
    if has(part(new, "spec"), "configSource"):
        found.append("spec.configSource: the feature is no longer supported")
    if text(part(new, "spec"), "externalID"):
        found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    for key, _ in pairs(part(new, "metadata"), "labels"):
        if key in NODE_LABELS and (old is None or key not in labels_of(old)):
            found.append(f"metadata.labels[{key}]: {NODE_LABELS[key]}")
    return found


def _status(node: Object) -> str:
    """
    >>> _status({"spec": {"unschedulable": True}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    'Ready,SchedulingDisabled'
    """
    found = "Unknown"
    for one in objects(part(node, "status"), "conditions"):
        if text(one, "type") == "Ready":
            found = "Ready" if text(one, "status") == "True" else "NotReady"
    return f"{found},SchedulingDisabled" if flag(part(node, "spec"), "unschedulable") else found


def _roles(node: Object) -> str:
    found = {key.removeprefix(_ROLE) for key in labels_of(node) if key.startswith(_ROLE)}
    found |= {value for key, value in labels_of(node).items() if key == "kubernetes.io/role"}
    return ",".join(sorted(found - {""})) or NONE


def _address(node: Object, kind: str) -> str:
    found = objects(part(node, "status"), "addresses")
    return next((text(one, "address") for one in found if text(one, "type") == kind), NONE)


def _info(node: Object, key: str) -> str:
    return text(part(node, "status", "nodeInfo"), key)


NODE = Kind(
    default=_default,
    prepare_update=lambda new, old: keep(new, old, "status"),
    prepare_status=lambda new, old: keep(new, old, "spec"),
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    warnings=_warnings,
    has_status=True,
    has_generation=False,
    columns=(
        column("Status", _status),
        column("Roles", _roles),
        AGE,
        column("Version", lambda node: _info(node, "kubeletVersion")),
        wide("Internal-IP", lambda node: _address(node, "InternalIP")),
        wide("External-IP", lambda node: _address(node, "ExternalIP")),
        wide("OS-Image", lambda node: _info(node, "osImage") or "<unknown>"),
        wide("Kernel-Version", lambda node: _info(node, "kernelVersion") or "<unknown>"),
        wide("Container-Runtime", lambda node: _info(node, "containerRuntimeVersion") or "<unknown>"),
    ),
    fields={"spec.unschedulable": lambda node: str(flag(part(node, "spec"), "unschedulable")).lower()},
)
