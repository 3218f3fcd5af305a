"""Whether other resources can be given to a pod that runs, and what that takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from corral.cluster.kubelet.containers.limits import pod_request
from corral.cluster.kubelet.pods import Member, members
from corral.model.container import Resources
from corral.model.kubernetes.quantity import parse

Object = dict[str, Any]

COMPUTE: Final = ("cpu", "memory")
LISTS: Final = (("main", "containers"), ("init", "initContainers"))


class Pending(NamedTuple):
    """Why a pod does not have yet what was asked for: the condition PodResizePending."""

    reason: str
    message: str


def asked(pod: Object) -> dict[str, Object]:
    """What the spec says of the containers that go on, by name.

    >>> asked({"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1"}}}, {"name": "b"}]}})
    {'a': {'limits': {'cpu': '1'}}, 'b': {}}
    """
    return {one.name: one.spec.get("resources") or {} for one in members(pod) if one.kind in ("main", "sidecar")}


def remembered(pod: Object) -> dict[str, Object]:
    """What had been allotted when the status was written: an earlier daemon's word. Else what is asked for.

    >>> status = {"containerStatuses": [{"name": "a", "resources": {"limits": {"cpu": "1"}}}]}
    >>> containers = [{"name": "a", "resources": {"limits": {"cpu": "2"}}}]
    >>> remembered({"spec": {"containers": containers}, "status": status})
    {'a': {'limits': {'cpu': '1'}}}
    """
    status = pod.get("status") or {}
    known = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    told = {one["name"]: one["resources"] for one in known if "resources" in one}
    return {name: told.get(name, resources) for name, resources in asked(pod).items()}


def with_allotted(pod: Object, allotted: Mapping[str, Object]) -> Object:
    """The pod as it is to run: with what it has been given, not with what it asks for.

    >>> with_allotted({"spec": {"containers": [{"name": "a", "resources": {}}]}}, {"a": {"limits": {"cpu": "1"}}})
    {'spec': {'containers': [{'name': 'a', 'resources': {'limits': {'cpu': '1'}}}]}}
    """
    if asked(pod) == allotted:
        return pod
    spec = dict(pod["spec"])
    for _, key in LISTS:
        if spec.get(key):
            spec[key] = [
                {**one, "resources": allotted[one["name"]]} if one["name"] in allotted else one for one in spec[key]
            ]
    return {**pod, "spec": spec}


def plan_pending(pod: Object, others: Iterable[Object], allocatable: Mapping[str, str]) -> Pending | None:
    """Why the node cannot give the pod what it asks for: not ever, or not now. None where it can.

    `others`: all other pods of the node, as they run.

    >>> pod = lambda cpu: {"spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}]}}
    >>> plan_pending(pod("3"), [], {"cpu": "2"})
    Pending(reason='Infeasible', message="Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000")
    >>> plan_pending(pod("1500m"), [pod("1")], {"cpu": "2"})
    Pending(reason='Deferred', message="Node didn't have enough resource: cpu, requested: 1500, used: 1000, \
capacity: 2000")
    >>> plan_pending(pod("1"), [pod("1")], {"cpu": "2"})
    """
    known = list(others)
    rows = [
        (name, pod_request(pod, name), sum(pod_request(one, name) for one in known), _capacity(allocatable[name], name))
        for name in COMPUTE
        if name in allocatable
    ]
    for name, wanted, _, capacity in rows:
        if wanted > capacity:
            message = f"Node didn't have enough capacity: {name}, requested: {wanted}, capacity: {capacity}"
            return Pending("Infeasible", message)
    for name, wanted, used, capacity in rows:
        if wanted + used > capacity:
            message = f"Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, "
            return Pending("Deferred", f"{message}capacity: {capacity}")
    return None


def _capacity(text: str, name: str) -> int:
    whole = parse(text)
    return whole.milli() if name == "cpu" else whole.ceil()


def is_restart_needed(one: Member, before: Object, after: Object) -> bool:
    """Whether a resource changes that the container takes only when it starts.

    >>> policy = {"resourceName": "memory", "restartPolicy": "RestartContainer"}
    >>> one = Member("main", {"name": "a", "resizePolicy": [policy]})
    >>> is_restart_needed(one, {"limits": {"memory": "1"}}, {"limits": {"memory": "2"}})
    True
    >>> is_restart_needed(one, {"limits": {"cpu": "1", "memory": "1Ki"}}, {"limits": {"cpu": "2", "memory": "1024"}})
    False
    """
    policies = {rule["resourceName"]: rule["restartPolicy"] for rule in one.spec.get("resizePolicy") or ()}
    return any(_differs(before, after, name) for name in COMPUTE if policies.get(name) == "RestartContainer")


def _differs(before: Object, after: Object, name: str) -> bool:
    def amounts(resources: Object) -> list[int | None]:
        values = ((resources.get(key) or {}).get(name) for key in ("limits", "requests"))
        return [None if value is None else parse(str(value)).nanos for value in values]

    return amounts(before) != amounts(after)


def plan_between(before: Resources, after: Resources) -> Resources:
    """What all containers of a pod may use together while one is changed after the other: the greater of both.

    >>> made = plan_between(Resources(cpu_shares=2, memory=5), Resources(cpu_shares=1, memory=9, nano_cpus=3))
    >>> made.cpu_shares, made.memory, made.nano_cpus
    (2, 9, 0)
    """

    def greater(a: int, b: int) -> int:
        return max(a, b) if a and b else 0  # 0: no limit

    return Resources(
        cpu_shares=max(before.cpu_shares, after.cpu_shares),
        memory=greater(before.memory, after.memory),
        nano_cpus=greater(before.nano_cpus, after.nano_cpus),
    )
