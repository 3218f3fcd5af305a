"""What a pod asks for in all. Pure. Follows k8s.io/component-helpers/resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from corral.model.kubernetes import quantity
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.quantity import Quantity

Amounts = dict[str, Quantity]
PLAIN: Final = ("cpu", "memory", "ephemeral-storage")  # what a quota names with and without "requests."
_LIMITED: Final = frozenset((*PLAIN, *(f"{kind}.{name}" for kind in ("requests", "limits") for name in PLAIN)))


def pod_amounts(pod: Object, which: str) -> Amounts:
    """`which` is requests or limits.

    Containers add up. Init containers run one after another, each beside the sidecars that were started before it, so
    the largest moment counts. What the pod as a whole asks for stands over both; its overhead comes on top.

    >>> def asks(cpu, **more): return {"resources": {"requests": {"cpu": cpu}}, **more}
    >>> pod = {"spec": {"containers": [asks("1"), asks("500m")], "initContainers": [asks("1", restartPolicy="Always"), asks("3")]}}
    >>> str(pod_amounts(pod, "requests")["cpu"])
    '4'
    """  # noqa: E501
    spec = part(pod, "spec")
    total = add(_of(one, which) for one in objects(spec, "containers"))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for one in objects(spec, "initContainers"):
        moment = add([_of(one, which), sidecars])
        if one.get("restartPolicy") == "Always":
            sidecars = moment
        peak = _largest(peak, moment)
    total = _largest(add([total, sidecars]), peak)
    total |= _of(spec, which)
    if which == "requests" or total:
        overhead = read(spec.get("overhead"))
        total = add([total, {name: one for name, one in overhead.items() if which == "requests" or name in total}])
    return total


def read(amounts: Mapping[str, Any] | None) -> Amounts:
    return {name: quantity.of_json(value) for name, value in (amounts or {}).items()}


def _of(holder: Mapping[str, Any], which: str) -> Amounts:
    return read((holder.get("resources") or {}).get(which))


def add(parts: Iterable[Mapping[str, Quantity]]) -> Amounts:
    """
    >>> {name: str(one) for name, one in add([read({"a": "1"}), read({"a": "500m", "b": 2})]).items()}
    {'a': '1500m', 'b': '2'}
    """
    found: Amounts = {}
    for some in parts:
        for name, amount in some.items():
            found[name] = found[name] + amount if name in found else amount
    return found


def _largest(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> Amounts:
    return {**one, **{name: max(amount, one.get(name, amount)) for name, amount in other.items()}}


def is_best_effort(pod: Object) -> bool:
    """Whether no container asks for CPU or memory.

    >>> is_best_effort({"spec": {"containers": [{"name": "a"}]}})
    True
    """
    spec = part(pod, "spec")
    holders = [spec, *objects(spec, "containers"), *objects(spec, "initContainers")]
    for holder in holders:
        for which in ("requests", "limits"):
            found = _of(holder, which)
            if any(found.get(name) for name in ("cpu", "memory")):
                return False
    return True


def plan_missing(pod: Object, hard: Mapping[str, Any]) -> str:
    """Which resources, that a quota limits, which containers do not speak of; "" if they speak of all.

    >>> plan_missing({"spec": {"containers": [{"name": "a"}]}}, {"limits.cpu": "1"})
    'limits.cpu for: a'
    """
    spec = part(pod, "spec")
    holders = [*objects(spec, "containers"), *objects(spec, "initContainers")]
    shown = []
    for name in sorted(one for one in hard if one in _LIMITED or one.startswith("hugepages-")):
        which, _, resource = name.rpartition(".")
        found = sorted(
            text(one, "name") for one in holders if resource not in part(one, "resources", which or "requests")
        )
        if found:
            shown.append(f"{name} for: {','.join(found)}")
    return "; ".join(shown)
