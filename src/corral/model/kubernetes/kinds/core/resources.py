"""What can be asked of a node, and how much of it: names and amounts of resources. Pure.

Follows pkg/apis/core/helper and the resource parts of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from corral.model.kubernetes import quantity
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import NEGATIVE, NOT_POSITIVE, Problems, dns_label, each, qualified_name
from corral.model.kubernetes.kinds.fields import indexed, pairs, part, text
from corral.model.kubernetes.problems import (
    NOT_FOUND,
    Problem,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from corral.model.kubernetes.quantity import Quantity

HUGE = "hugepages-"
NATIVE = "kubernetes.io/"
BY_DEVICE_CLASS = "deviceclass.resource.kubernetes.io/"  # with a class's name: what each DeviceClass answers to
_CONTAINER = frozenset(("cpu", "memory", "ephemeral-storage"))
_COUNTS = frozenset(
    "pods resourcequotas services replicationcontrollers secrets configmaps persistentvolumeclaims "
    "services.nodeports services.loadbalancers".split()
)
_COMPUTE = frozenset(f"{prefix}{one}" for prefix in ("", "requests.", "limits.") for one in _CONTAINER)
QUOTA = _COMPUTE | _COUNTS | {"requests.storage"}
_STANDARD = QUOTA | {"storage"}
_POD_LEVEL = ("cpu", "hugepages-", "memory")

NOT_INTEGER = "must be an integer"
NOT_STANDARD = "must be a standard resource type or fully qualified"

Check = Callable[[str, str], Problems]


def is_native(name: str) -> bool:
    return "/" not in name or NATIVE in name


def is_huge(name: str) -> bool:
    return name.startswith(HUGE)


def may_overcommit(name: str) -> bool:
    return is_native(name) and not is_huge(name)


def is_extended(name: str) -> bool:
    """A resource of a device plugin, such as example.com/gpu."""
    return not is_native(name) and not name.startswith("requests.") and not qualified_name(f"requests.{name}")


def may_mean_devices(name: str) -> bool:
    """Whether a container may ask for devices of a class by a resource of this name."""
    return is_extended(name) or name.startswith(BY_DEVICE_CLASS)


def is_whole(name: str) -> bool:
    return name in _COUNTS or is_extended(name)


def _is_huge_quota(name: str) -> bool:
    return name.startswith((HUGE, "requests.hugepages-"))


def resource_name(name: str, path: str) -> Problems:
    problems = qualified_name(name)
    yield from each(path, name, problems)
    if not problems and "/" not in name and name not in _STANDARD and not _is_huge_quota(name):
        yield invalid(path, name, NOT_STANDARD)


def container_resource(name: str, path: str) -> Problems:
    """
    >>> [one.detail for one in container_resource("disk", "p")]
    ['must be a standard resource type or fully qualified', 'must be a standard resource for containers']
    """
    yield from resource_name(name, path)
    if "/" not in name:
        if name not in _CONTAINER and not is_huge(name):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def pod_resource(name: str, path: str) -> Problems:
    found = list(resource_name(name, path))
    yield from found
    if not found and name not in ("cpu", "memory") and not is_huge(name):
        yield not_supported(path, name, _POD_LEVEL)


def quota_resource(name: str, path: str) -> Problems:
    yield from resource_name(name, path)
    if "/" not in name and name not in QUOTA and not _is_huge_quota(name):
        yield invalid(path, name, "must be a standard resource for quota")


def read(value: Any) -> Quantity | None:
    """None of what is no quantity; the schema's check has refused those."""
    try:
        return quantity.of_json(value)
    except quantity.NoQuantity:
        return None


def amounts(obj: Object, key: str, path: str) -> Iterator[tuple[str, Quantity, str]]:
    """The entries of a resource list: name, amount, path."""
    for name, value in pairs(obj, key):
        if (amount := read(value)) is not None:
            yield name, amount, f"{path}[{name}]"


def amount_value(name: str, amount: Quantity, path: str) -> Problems:
    """
    >>> [str(one) for one in amount_value("pods", quantity.parse("1500m"), "spec.hard[pods]")]
    ['spec.hard[pods]: Invalid value: "1500m": must be an integer']
    """
    if amount.nanos < 0:
        yield invalid(path, str(amount), NEGATIVE)
    if is_whole(name) and amount.milli() % 1000:
        yield invalid(path, str(amount), NOT_INTEGER)


def positive_amount(amount: Quantity, path: str) -> Problems:
    if amount.nanos <= 0:
        yield invalid(path, str(amount), NOT_POSITIVE)


def _huge_amount(name: str, amount: Quantity, path: str) -> Problems:
    page = read(name.removeprefix(HUGE))
    if is_huge(name) and (page is None or page.nanos <= 0 or amount.nanos <= 0 or amount.nanos % page.nanos):
        yield invalid(path, str(amount), f"{amount} is not positive integer multiple of {name}")


def requirements(found: Object, path: str, claims: Collection[str], check_name: Check = container_resource) -> Problems:
    """The resources of a container (or, with another check of names, of a pod)."""
    if not found:
        return
    limits = {name: amount for name, amount, _ in amounts(found, "limits", "")}
    seen: set[str] = set()
    for name, amount, at in amounts(found, "limits", f"{path}.limits"):
        seen.add(name)
        yield from check_name(name, at)
        yield from amount_value(name, amount, at)
        yield from _huge_amount(name, amount, at)
    for name, amount, at in amounts(found, "requests", f"{path}.requests"):
        seen.add(name)
        yield from check_name(name, at)
        yield from amount_value(name, amount, at)
        yield from _within(name, amount, limits.get(name), path)
        yield from _huge_amount(name, amount, at)
    if any(map(is_huge, seen)) and not seen & {"cpu", "memory"}:
        yield forbidden(path, "HugePages require cpu or memory")
    yield from _claims(found, f"{path}.claims", claims)


def _within(name: str, amount: Quantity, limit: Quantity | None, path: str) -> Problems:
    """A request against the limit."""
    at, fixed = f"{path}.requests", not may_overcommit(name)
    if limit is None:
        if fixed:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif fixed and amount != limit:
        yield invalid(at, str(amount), f"must be equal to {name} limit of {limit}")
    elif amount > limit:
        yield invalid(at, str(amount), f"must be less than or equal to {name} limit of {limit}")


def _claims(found: Object, path: str, claims: Collection[str]) -> Problems:
    seen: set[str] = set()
    for at, claim in indexed(found, "claims", path):
        name, request = text(claim, "name"), text(claim, "request")
        if not name:
            yield required(at)
            continue
        key = f"{name}/{request}" if request else name
        if request:
            yield from each(f"{at}.request", request, dns_label(request))
        if name in seen or key in seen or (not request and any(one.startswith(f"{name}/") for one in seen)):
            yield duplicate(at, name if name in seen else key)
        seen.add(key)
        if name not in claims:
            listed = f": {', '.join(sorted(claims))}" if claims else " which is empty"
            yield Problem(NOT_FOUND, at, f"must be one of the names in pod.spec.resourceClaims{listed}", name)


def canonical(obj: Object, *keys: str) -> None:
    """In place: the amounts of resource lists as upstream writes them, rounded up to thousandths.

    >>> found = {"limits": {"cpu": 0.5, "memory": "1024Mi"}}; canonical(found, "limits"); found
    {'limits': {'cpu': '500m', 'memory': '1Gi'}}
    """
    for key in keys:
        found = obj.get(key)
        if isinstance(found, dict):
            for name, value in found.items():
                if (amount := read(value)) is not None:
                    found[name] = str(_rounded(amount))


def canonical_one(obj: Object, key: str) -> None:
    """In place: a single quantity."""
    if obj.get(key) is not None and (amount := read(obj[key])) is not None:
        obj[key] = str(amount)


def _rounded(amount: Quantity) -> Quantity:
    return amount if amount.nanos % 10**6 == 0 else Quantity(amount.milli() * 10**6, amount.format)


def total(containers: list[Object], which: str) -> dict[str, Quantity]:
    """The sums over containers, by resource."""
    found: dict[str, Quantity] = {}
    for container in containers:
        for name, amount, _ in amounts(part(container, "resources"), which, ""):
            found[name] = found[name] + amount if name in found else amount
    return found
