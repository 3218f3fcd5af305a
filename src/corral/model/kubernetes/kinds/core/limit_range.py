"""LimitRange. Pure. Follows ValidateLimitRange."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import CREATED_AT
from corral.model.kubernetes.kinds.checks import Problems, each, listed, qualified_name
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.resources import read
from corral.model.kubernetes.kinds.fields import ensure, has, indexed, objects, pairs, part, text
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, required
from corral.model.kubernetes.quantity import Quantity, of

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_LISTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


def _default(obj: Object) -> None:
    """A container's limit is the largest that it may be; its request the limit, or else the smallest."""
    for limit in objects(part(obj, "spec"), "limits"):
        resources.canonical(limit, *_LISTS)
        if text(limit, "type") != "Container":
            continue
        default, request = dict(part(limit, "default")), dict(part(limit, "defaultRequest"))
        for target, source in ((default, part(limit, "max")), (request, default), (request, part(limit, "min"))):
            for name, amount in source.items():
                target.setdefault(name, amount)
        for key, found in (("default", default), ("defaultRequest", request)):
            if found or has(limit, key):
                limit[key] = found
    ensure(obj, "spec")


def _validate(obj: Object) -> Problems:
    seen: set[str] = set()
    for at, limit in indexed(part(obj, "spec"), "limits", "spec.limits"):
        kind = text(limit, "type")
        yield from _type(kind, f"{at}.type")
        if kind in seen:
            yield duplicate(f"{at}.type", kind)
        seen.add(kind)
        yield from _names(limit, kind, at)
        storage = any("storage" in part(limit, which) for which in ("min", "max"))
        if kind == "PersistentVolumeClaim" and not storage:
            detail = "either minimum or maximum storage value is required, but neither was provided"
            yield required(f"{at}.limits", detail)
        for name in sorted({name for which in _LISTS for name in part(limit, which)}):
            found = {which: read(value) for which in _LISTS if (value := part(limit, which).get(name)) is not None}
            yield from _order({which: one for which, one in found.items() if one is not None}, name, at)


def _type(kind: str, path: str) -> Problems:
    problems = qualified_name(kind)
    yield from each(path, kind, problems)
    if not problems and "/" not in kind and kind not in _TYPES:
        yield invalid(path, kind, "must be a standard limit type or fully qualified")


def _names(limit: Object, kind: str, at: str) -> Problems:
    check = resources.container_resource if kind in ("Pod", "Container") else resources.resource_name
    for which in _LISTS:
        if kind == "Pod" and which in ("default", "defaultRequest"):
            if part(limit, which):
                yield forbidden(f"{at}.{which}", "may not be specified when `type` is 'Pod'")
            continue
        for name, _ in pairs(limit, which):
            yield from check(name, f"{at}.{which}[{name}]")


# (smaller, larger, what is refused, how it is said)
_ORDER = (
    ("min", "max", "min", "min value {0} is greater than max value {1}"),
    ("min", "defaultRequest", "defaultRequest", "min value {0} is greater than default request value {1}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {0} is greater than max value {1}"),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {0} is greater than default limit value {1}",
    ),
    ("min", "default", "default", "min value {0} is greater than default value {1}"),
    ("default", "max", "default", "default value {0} is greater than max value {1}"),
)
_SHOWN = {("min", "default"): "min", ("default", "max"): "max"}  # whose value is shown, where that is not the refused


def _order(found: dict[str, Quantity], name: str, at: str) -> Problems:
    """
    >>> [one.detail for one in _order({"min": of(2), "max": of(1)}, "cpu", "spec.limits[0]")]
    ['min value 2 is greater than max value 1']
    """
    for smaller, larger, refused, says in _ORDER:
        if smaller in found and larger in found and found[smaller] > found[larger]:
            shown = found[_SHOWN.get((smaller, larger), refused)]
            yield invalid(f"{at}.{refused}[{name}]", str(shown), says.format(found[smaller], found[larger]))
    yield from _ratio(found, name, f"{at}.maxLimitRequestRatio[{name}]")
    default, request = found.get("default"), found.get("defaultRequest")
    if default is not None and request is not None and default != request and not resources.may_overcommit(name):
        detail = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield invalid(f"{at}.defaultRequest[{name}]", str(request), detail)


def _ratio(found: dict[str, Quantity], name: str, path: str) -> Problems:
    ratio = found.get("maxLimitRequestRatio")
    if ratio is None:
        return
    if ratio < of(1):
        yield invalid(path, str(ratio), f"ratio {ratio} is less than 1")
    low, high = found.get("min"), found.get("max")
    if low and high is not None and ratio.nanos * low.nanos > high.nanos * 10**9:
        yield invalid(path, str(ratio), f"ratio {ratio} is greater than max/min = {high.nanos / low.nanos:.6f}")


LIMIT_RANGE = Kind(
    default=_default,
    validate=listed(_validate),
    has_generation=False,
    columns=(CREATED_AT,),
    allow_create_on_update=True,
)
