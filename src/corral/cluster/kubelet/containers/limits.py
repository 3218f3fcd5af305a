"""What a container may use, from its requests and limits; and how soon the kernel ends it for want of memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from corral.model.container import Resources
from corral.model.kubernetes.quantity import parse

Object = dict[str, Any]

LEAST_SHARES: Final = 2
MOST_SHARES: Final = 262144
LEAST_QUOTA: Final = 10_000_000  # billionths of a CPU: a quota of 1 ms each 100 ms


def _amount(values: Object | None, name: str) -> int | None:
    """Thousandths of a CPU, or bytes."""
    value = (values or {}).get(name)
    if value is None:
        return None
    found = parse(str(value))
    return found.milli() if name == "cpu" else found.ceil()


def shares(milli: int) -> int:
    """
    >>> shares(1000), shares(0), shares(100)
    (1024, 2, 102)
    """
    return max(LEAST_SHARES, min(MOST_SHARES, milli * 1024 // 1000))


def plan_limits(resources: Object | None) -> Resources:
    """A limit alone is also what is requested.

    >>> made = plan_limits({"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "100m"}})
    >>> made.nano_cpus, made.cpu_shares, made.memory, made.memory_swap
    (500000000, 102, 67108864, 67108864)
    """
    limits, requests = (resources or {}).get("limits"), (resources or {}).get("requests")
    cpu, memory = _amount(limits, "cpu"), _amount(limits, "memory") or 0
    wanted = _amount(requests, "cpu")
    if wanted is None:
        wanted = cpu or 0
    quota = max(cpu * 1_000_000, LEAST_QUOTA) if cpu else 0
    return Resources(cpu_shares=shares(wanted), nano_cpus=quota, memory=memory, memory_swap=memory)


def plan_container_limits(container: Object) -> Resources:
    """A process that is ended for want of memory takes the container's others with it, where the host can do that:
    what is left when one of them is gone seldom works, and would not be started again.

    >>> plan_container_limits({"resources": {"limits": {"memory": "1Ki"}}}).oom_group
    True
    """
    return replace(plan_limits(container.get("resources")), oom_group=True)


def qos_class(pod: Object) -> str:
    """
    >>> limits = {"cpu": "1", "memory": "1Gi"}
    >>> qos_class({"spec": {"containers": [{"resources": {"limits": limits, "requests": limits}}]}})
    'Guaranteed'
    >>> qos_class({"spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}]}})
    'Burstable'
    """
    given = (pod.get("status") or {}).get("qosClass")
    if given:
        return str(given)
    spec = pod["spec"]
    parts = [one.get("resources") or {} for one in (*spec["containers"], *(spec.get("initContainers") or ()))]
    whole = spec.get("resources")
    parts = [whole] if whole else parts
    if not any(_given(part) for part in parts):
        return "BestEffort"
    return "Guaranteed" if all(_is_guaranteed(part) for part in parts) else "Burstable"


def _given(part: Object) -> bool:
    values = [value for key in ("limits", "requests") for value in (part.get(key) or {}).items()]
    return any(name in ("cpu", "memory") and parse(str(value)).nanos for name, value in values)


def _is_guaranteed(part: Object) -> bool:
    limits, requests = part.get("limits") or {}, part.get("requests") or {}
    return all(
        name in limits and parse(str(limits[name])) == parse(str(requests.get(name, limits[name])))
        for name in ("cpu", "memory")
    )


def plan_oom_score(pod: Object, container: Object, capacity: int) -> int:
    """`capacity`: the node's memory. Who asked for much of it is ended late.

    >>> spec = {"containers": [{"resources": {"requests": {"memory": "1Gi"}}}]}
    >>> plan_oom_score({"spec": spec}, spec["containers"][0], 4 << 30)
    750
    """
    if pod["spec"].get("priorityClassName") in ("system-node-critical",):
        return -997
    qos = qos_class(pod)
    if qos in ("Guaranteed", "BestEffort"):
        return -997 if qos == "Guaranteed" else 1000
    wanted = _amount((container.get("resources") or {}).get("requests"), "memory") or 0
    return min(999, max(3, 1000 - 1000 * wanted // max(capacity, 1)))


def plan_pod_limits(pod: Object) -> Resources:
    """The limits of all its containers together: a limit only where each has one.

    >>> spec = {"containers": [{"resources": {"limits": {"memory": "1Ki"}, "requests": {"cpu": "1"}}}, {}]}
    >>> made = plan_pod_limits({"spec": spec})
    >>> made.cpu_shares, made.memory, made.nano_cpus
    (1024, 0, 0)
    """
    spec = pod["spec"]
    whole = spec.get("resources")
    if whole:
        return plan_limits(whole)
    mains, inits = spec["containers"], spec.get("initContainers") or []
    lasting = [one for one in inits if one.get("restartPolicy") == "Always"]
    together = [*mains, *lasting]
    wanted = _sum(_requested(one) for one in together)
    cpu, memory = _sum(_limit(one, "cpu") for one in together), _sum(_limit(one, "memory") for one in together)
    for one in inits:
        cpu = None if cpu is None else _most(cpu, _limit(one, "cpu"))
        memory = None if memory is None else _most(memory, _limit(one, "memory"))
    quota = max(cpu * 1_000_000, LEAST_QUOTA) if cpu else 0
    return Resources(cpu_shares=shares(wanted or 0), nano_cpus=quota, memory=memory or 0)


def _requested(one: Object) -> int:
    resources = one.get("resources") or {}
    found = _amount(resources.get("requests"), "cpu")
    return found if found is not None else _limit(one, "cpu") or 0


def _limit(one: Object, name: str) -> int | None:
    return _amount((one.get("resources") or {}).get("limits"), name)


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if None in found else sum(value or 0 for value in found)


def _most(a: int, b: int | None) -> int | None:
    return None if b is None else max(a, b)


def pod_request(pod: Object, name: str) -> int:
    """What a pod asks for: thousandths of a CPU, or bytes.

    >>> pod = {"spec": {"containers": [{"resources": {"requests": {"cpu": "100m", "memory": "1Ki"}}}, {}]}}
    >>> pod_request(pod, "cpu"), pod_request(pod, "memory")
    (100, 1024)
    """
    spec = pod["spec"]
    whole = _amount((spec.get("resources") or {}).get("requests"), name)
    if whole is not None:
        return whole
    inits = spec.get("initContainers") or ()
    lasting = [one for one in inits if one.get("restartPolicy") == "Always"]
    together = sum(_request(one, name) for one in (*spec["containers"], *lasting))
    return max([together, *(_request(one, name) for one in inits)])


def _request(container: Object, name: str) -> int:
    return _amount((container.get("resources") or {}).get("requests"), name) or 0


def plan_group(pod: Object) -> str:
    """Where the pod's cgroup is, below the instance's.

    >>> plan_group({"metadata": {"uid": "u1"}, "spec": {"containers": [{}]}})
    'kubepods/besteffort/podu1'
    """
    qos = qos_class(pod)
    place = "" if qos == "Guaranteed" else f"/{qos.lower()}"
    return f"kubepods{place}/pod{pod['metadata']['uid']}"
