"""What a pod asks for. Follows k8s.io/component-helpers/resource (PodRequests). Pure.

CPU is counted in thousandths, everything else in whole units, rounded up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from corral.model.kubernetes import quantity

Object = dict[str, Any]
Amounts = dict[str, int]

CPU: Final = "cpu"
MEMORY: Final = "memory"
EPHEMERAL: Final = "ephemeral-storage"
PODS: Final = "pods"
# What a container that asks for nothing is taken to need when nodes are compared.
USUAL: Final[Mapping[str, int]] = {CPU: 100, MEMORY: 200 * 1024 * 1024}


def amounts(given: Mapping[str, Any] | None) -> Amounts:
    """
    >>> amounts({"cpu": "1.5", "memory": "1Gi", "example.com/gpu": 2})
    {'cpu': 1500, 'memory': 1073741824, 'example.com/gpu': 2}
    """
    if not given:
        return {}
    return {name: amount(name, value) for name, value in given.items()}


@functools.lru_cache(maxsize=4096)
def amount(name: str, value: Any) -> int:
    found = quantity.of_json(value)
    return found.milli() if name == CPU else found.ceil()


def pod_requests(pod: Object) -> Amounts:
    """
    >>> one = {"resources": {"requests": {"cpu": "1"}}}
    >>> sidecar = {"restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}}
    >>> first = {"resources": {"requests": {"cpu": "2"}}}
    >>> pod_requests({"spec": {"containers": [one], "initContainers": [sidecar, first]}})
    {'cpu': 2500}
    """
    return _requests(pod, lambda container: container)


def usual_requests(pod: Object) -> tuple[int, int]:
    """CPU and memory, where each container that asks for none is taken to need the usual.

    >>> usual_requests({"spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}, {}]}})
    (1100, 419430400)
    """
    found = _requests(pod, lambda wanted: {**USUAL, **wanted})
    return found.get(CPU, 0), found.get(MEMORY, 0)


def _requests(pod: Object, complete: Callable[[Amounts], Amounts]) -> Amounts:
    spec, status = pod["spec"], pod.get("status") or {}
    states = {one.get("name"): one for one in (status.get("containerStatuses") or ())}
    states |= {one.get("name"): one for one in (status.get("initContainerStatuses") or ())}
    infeasible = _resize_is_infeasible(status)

    def wanted(container: Object) -> Amounts:
        asked = amounts((container.get("resources") or {}).get("requests"))
        state = states.get(container.get("name"))
        return complete(_with_actual(asked, state, infeasible) if state else asked)

    total = _sum(wanted(one) for one in spec.get("containers") or ())
    total = _with_init(total, spec.get("initContainers") or (), wanted)
    whole = (spec.get("resources") or {}).get("requests")
    total |= {name: value for name, value in amounts(whole).items() if _is_pod_level(name)}
    return _sum([total, amounts(spec.get("overhead"))]) if spec.get("overhead") else total


def _with_init(total: Amounts, containers: Iterable[Object], wanted: Callable[[Object], Amounts]) -> Amounts:
    """Init containers run one after the other, beside the sidecars that were started before them."""
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in containers:
        asked = wanted(container)
        if container.get("restartPolicy") == "Always":
            total, sidecars = _sum([total, asked]), _sum([sidecars, asked])
            peak = _most(peak, sidecars)
        else:
            peak = _most(peak, _sum([asked, sidecars]))
    return _most(total, peak)


def _with_actual(asked: Amounts, state: Object, infeasible: bool) -> Amounts:
    """While a resize is not done the greater counts of what is asked for, allocated and in use."""
    actual = amounts((state.get("resources") or {}).get("requests"))
    allocated = amounts(state.get("allocatedResources"))
    found = _most(actual, allocated)
    return found if infeasible and found else _most(asked, found)


def _resize_is_infeasible(status: Object) -> bool:
    conditions = status.get("conditions") or ()
    return any(one.get("type") == "PodResizePending" and one.get("reason") == "Infeasible" for one in conditions)


def _is_pod_level(name: str) -> bool:
    return name in (CPU, MEMORY) or name.startswith("hugepages-")


def _sum(parts: Iterable[Amounts]) -> Amounts:
    found: Amounts = {}
    for part in parts:
        for name, value in part.items():
            found[name] = found.get(name, 0) + value
    return found


def _most(first: Amounts, second: Amounts) -> Amounts:
    found = dict(first)
    for name, value in second.items():
        found[name] = max(found.get(name, 0), value)
    return found
