"""IPAddress and ServiceCIDR: the cluster's addresses as objects. Pure."""

from __future__ import annotations

from collections.abc import Callable

from corral.model.kubernetes import addresses, names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, NONE, column
from corral.model.kubernetes.kinds.checks import IMMUTABLE, Problems, dns_subdomain, each, immutable, listed
from corral.model.kubernetes.kinds.fields import part, text, texts
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import invalid, required


def _validate(obj: Object) -> Problems:
    parent = part(obj, "spec").get("parentRef")
    if not isinstance(parent, dict):
        yield required("spec.parentRef")
        return
    if group := text(parent, "group"):
        yield from each("spec.parentRef.group", group, dns_subdomain(group))
    for key in ("resource", "name", "namespace"):
        if value := text(parent, key):
            yield from each(f"spec.parentRef.{key}", value, names.path_segment(value))
        elif key != "namespace":
            yield required(f"spec.parentRef.{key}")


def _parent(obj: Object) -> str:
    """
    >>> _parent({"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}})
    'services/default/web'
    """
    found = part(obj, "spec").get("parentRef")
    if not isinstance(found, dict):
        return NONE
    group, space = text(found, "group"), text(found, "namespace")
    shown = f"{text(found, 'resource')}.{group}".lower() if group else text(found, "resource").lower()
    return "/".join([shown, *([space] if space else []), text(found, "name")])


def _of_parent(key: str) -> Callable[[Object], str]:
    return lambda obj: text(part(obj, "spec", "parentRef"), key)


IP_ADDRESS = Kind(
    validate=listed(_validate),
    validate_update=listed(lambda new, old: immutable(part(new, "spec"), part(old, "spec"), "spec", "parentRef")),
    validate_name=addresses.ip,
    has_generation=False,
    columns=(column("ParentRef", _parent), AGE),
    fields={f"spec.parentRef.{key}": _of_parent(key) for key in ("group", "resource", "namespace", "name")},
)


def _cidrs(obj: Object) -> Problems:
    found, path = texts(part(obj, "spec"), "cidrs"), "spec.cidrs"
    if not found:
        yield required(path, "at least one CIDR required")
    elif len(found) > 2:
        yield invalid(path, part(obj, "spec"), "may only hold up to 2 values")
    else:
        for index, cidr in enumerate(found):
            yield from each(f"{path}[{index}]", cidr, addresses.cidr(cidr))
        if len(found) == 2 and (":" in found[0]) == (":" in found[1]):
            detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            yield invalid(path, found, detail)


def _cidrs_update(new: Object, old: Object) -> Problems:
    """A second family may come; nothing else changes."""
    after, before = texts(part(new, "spec"), "cidrs"), texts(part(old, "spec"), "cidrs")
    if len(after) != len(before) and (len(before), len(after)) != (1, 2):
        yield invalid("spec.cidrs", after, IMMUTABLE)
        return
    for index, (cidr, was) in enumerate(zip(after, before, strict=False)):
        if cidr != was:
            yield invalid(f"spec.cidrs[{index}]", cidr, IMMUTABLE)


SERVICE_CIDR = Kind(
    default=ensure_status,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_cidrs),
    validate_update=listed(_cidrs_update),
    has_status=True,
    has_generation=False,
    columns=(column("CIDRs", lambda obj: ",".join(texts(part(obj, "spec"), "cidrs"))), AGE),
)
