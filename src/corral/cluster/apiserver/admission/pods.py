"""What pods get from classes and by default: priority, tolerations, a runtime's overhead.

Follows plugin/pkg/admission/{priority,defaulttolerationseconds,runtimeclass}.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.apiserver.admission.plugin import Base, Object, is_about, refused
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kinds.fields import flag, number, objects, part, same, text

PRIORITY_GROUP: Final = "scheduling.k8s.io"
TOLERATION_SECONDS: Final = 300
ANNOYANCES: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class Priority(Base):
    """priorityClassName becomes a number; a pod without one gets the default class's."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, admission: Admission) -> None:
        if not is_about(admission, "pods", "CREATE") or admission.object is None:
            return
        spec = dict(part(admission.object, "spec"))
        value, policy = self._resolve(admission, spec)
        if spec.get("priority") is not None and spec["priority"] != value:
            text = f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority "
            raise refused(admission, f"{text}admission controller computed {value} from the given PriorityClass name")
        spec["priority"] = value
        if spec.get("preemptionPolicy") is not None and spec["preemptionPolicy"] != policy:
            text = (
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec;"
            )
            text += f" priority admission controller computed {policy} from the given PriorityClass name"
            raise refused(admission, text)
        spec["preemptionPolicy"] = policy
        admission.object = {**admission.object, "spec": spec}

    def _resolve(self, admission: Admission, spec: Object) -> tuple[int, str]:
        name = text(spec, "priorityClassName")
        if name:
            found = self._lookup.get(PRIORITY_GROUP, "priorityclasses", "", name)
            if found is None:
                raise refused(admission, f"no PriorityClass with name {name} was found")
        else:
            default = [
                one for one in self._lookup.list(PRIORITY_GROUP, "priorityclasses") if flag(one, "globalDefault")
            ]
            found = min(default, key=lambda one: number(one, "value")) if default else {}
            if found:
                spec["priorityClassName"] = found["metadata"]["name"]
        return number(found, "value"), text(found, "preemptionPolicy") or "PreemptLowerPriority"

    async def validate(self, admission: Admission) -> None:
        """Only one class may be the default."""
        obj = admission.object
        if not is_about(admission, "priorityclasses", group=PRIORITY_GROUP) or obj is None:
            return
        if not flag(obj, "globalDefault"):
            return
        for one in self._lookup.list(PRIORITY_GROUP, "priorityclasses"):
            name = one["metadata"]["name"]
            if flag(one, "globalDefault") and name != admission.name:
                text = f"PriorityClass {name} is already marked as default. Only one default can exist"
                raise refused(admission, text)


class DefaultTolerationSeconds(Base):
    """A pod stays five minutes on a node that is not heard of, if it does not say otherwise."""

    async def admit(self, admission: Admission) -> None:
        if is_about(admission, "pods", "CREATE", "UPDATE") and admission.object is not None:
            admission.object = with_tolerations(admission.object)


def with_tolerations(pod: Object) -> Object:
    """
    >>> [one["key"] for one in with_tolerations({"spec": {}})["spec"]["tolerations"]]
    ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']
    >>> with_tolerations({"spec": {"tolerations": [{"operator": "Exists"}]}})
    {'spec': {'tolerations': [{'operator': 'Exists'}]}}
    """
    present = objects(part(pod, "spec"), "tolerations")
    missing = [key for key in ANNOYANCES if not any(_covers(one, key) for one in present)]
    if not missing:
        return pod
    made = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS}
        for key in missing
    ]
    return {**pod, "spec": {**part(pod, "spec"), "tolerations": [*present, *made]}}


def _covers(toleration: Object, key: str) -> bool:
    fits = text(toleration, "key") in (key, "")
    return fits and text(toleration, "effect") in ("NoExecute", "")


class RuntimeClass(Base):
    """A pod has the overhead of its runtime class, and goes where that runtime is."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, admission: Admission) -> None:
        if not is_about(admission, "pods", "CREATE") or admission.object is None:
            return
        spec = dict(part(admission.object, "spec"))
        name = text(spec, "runtimeClassName")
        if not name:
            if part(spec, "overhead"):
                raise refused(
                    admission, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
                )
            return
        found = self._lookup.get("node.k8s.io", "runtimeclasses", "", name)
        if found is None:
            raise refused(admission, f'pod rejected: RuntimeClass "{name}" not found')
        self._add_overhead(admission, spec, found)
        self._add_scheduling(admission, spec, part(found, "scheduling"))
        admission.object = {**admission.object, "spec": spec}

    @staticmethod
    def _add_overhead(admission: Admission, spec: Object, found: Object) -> None:
        fixed = part(found, "overhead", "podFixed")
        if spec.get("overhead") and not same(spec["overhead"], fixed, "overhead"):
            what = "Pod Overhead set without corresponding RuntimeClass defined Overhead"
            if fixed:
                what = f"Pod's Overhead doesn't match RuntimeClass's defined Overhead: {spec['overhead']}, {fixed}"
            raise refused(admission, f"pod rejected: {what}")
        if fixed:
            spec["overhead"] = fixed

    @staticmethod
    def _add_scheduling(admission: Admission, spec: Object, scheduling: Object) -> None:
        wanted, present = part(scheduling, "nodeSelector"), part(spec, "nodeSelector")
        for key, value in wanted.items():
            if key in present and present[key] != value:
                text = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}]"
                raise refused(admission, f"{text} = {present[key]}")
        if wanted:
            spec["nodeSelector"] = {**present, **wanted}
        tolerations = objects(spec, "tolerations")
        more = [one for one in objects(scheduling, "tolerations") if one not in tolerations]
        if more:
            spec["tolerations"] = [*tolerations, *more]


class TaintNodesByCondition(Base):
    """A new node is not ready: nothing is put on it before it is."""

    async def admit(self, admission: Admission) -> None:
        if not is_about(admission, "nodes", "CREATE") or admission.object is None:
            return
        taint = {"key": ANNOYANCES[0], "effect": "NoSchedule"}
        spec = part(admission.object, "spec")
        taints = objects(spec, "taints")
        if not any((one.get("key"), one.get("effect")) == (taint["key"], taint["effect"]) for one in taints):
            admission.object = {**admission.object, "spec": {**spec, "taints": [*taints, taint]}}
