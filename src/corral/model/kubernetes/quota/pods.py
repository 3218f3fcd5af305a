"""What a pod asks for in all. Pure. Follows k8s.io/component-helpers/resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from corral.model.kubernetes import quantity
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.quantity import Quantity

Amounts = dict[str, Quantity]


def pod_amounts(pod: Object, which: str) -> Amounts:
    """`which` is requests or limits.

    Containers add up. Init containers run one after another, each beside the sidecars that were started before it, so
    the largest moment counts. What the pod as a whole asks for stands over both; its overhead comes on top.

    >>> def asks(cpu, **more): return {"resources": {"requests": {"cpu": cpu}}, **more}
    >>> pod = {"spec": {"containers": [asks("1"), asks("500m")], "initContainers": [asks("1", restartPolicy="Always"), asks("3")]}}
    >>> str(pod_amounts(pod, "requests")["cpu"])
    '4'
    """  # noqa: E501
    spec = pod["spec"]
    total = add(_of(one, which) for one in spec.get("containers") or ())
    sidecars: Amounts = {}
    peak: Amounts = {}
    for one in spec.get("initContainers") or ():
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
    for part in parts:
        for name, amount in part.items():
            found[name] = found[name] + amount if name in found else amount
    return found


def _largest(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> Amounts:
    return {**one, **{name: max(amount, one.get(name, amount)) for name, amount in other.items()}}


def is_best_effort(pod: Object) -> bool:
    """Whether no container asks for CPU or memory.

    >>> is_best_effort({"spec": {"containers": [{"name": "a"}]}})
    True
    """
    spec = pod["spec"]
    holders = [spec, *(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    for holder in holders:
        for which in ("requests", "limits"):
            found = _of(holder, which)
            if any(found.get(name) for name in ("cpu", "memory")):
                return False
    return True
