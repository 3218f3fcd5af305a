"""Whether this node can run a pod that is bound to it. Pure.

The scheduler has looked before it chose the node, but whoever names the node in the pod itself goes round it.
Follows k8s.io/kubernetes/pkg/kubelet/lifecycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from corral.cluster.kubelet.containers.security import effective
from corral.cluster.kubelet.pods import members
from corral.cluster.kubelet.static.mirror import is_static
from corral.model.kubernetes.kinds.core.resources import may_mean_devices
from corral.model.kubernetes.placement import matches_node
from corral.model.kubernetes.requests import CPU, EPHEMERAL, MEMORY, PODS, amount, pod_requests
from corral.model.kubernetes.taints import NO_EXECUTE, first_untolerated, taints_of, tolerations_of

Object = dict[str, Any]

ANY: Final = ("", "0.0.0.0")
SYSTEM: Final = "linux"
OS_LABEL: Final = "kubernetes.io/os"
USUAL: Final = (CPU, MEMORY, EPHEMERAL)  # in this order; what others offer comes after them
NODE_AFFINITY: Final = "NodeAffinity"
WORDS: Final = {
    NODE_AFFINITY: "node(s) didn't match Pod's node affinity/selector",
    "NodeName": "node(s) didn't match the requested node name",
    "NodePorts": "node(s) didn't have free ports for the requested pod ports",
    "TaintToleration": "node(s) had taints that the pod didn't tolerate",
}


class Shortage(NamedTuple):
    """So much of a resource is asked for, and taken by others already."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def missing(self) -> int:
        return self.requested + self.used - self.capacity


class Refusal(NamedTuple):
    """Why the pod is not let in, with the reason that its status shows."""

    reason: str
    message: str
    shortage: Shortage | None = None


def plan_refusals(pod: Object, others: Sequence[Object], node: Object, *, known: bool = False) -> list[Refusal]:
    """All that speaks against the pod; the first is told. `others`: the pods that take of the node's resources.

    `known`: it had been let in before the machine or the daemon was started anew. What has changed at the node since
    does not matter then; whether there is room does.

    >>> node = {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "1", "pods": "110"}}}
    >>> def pod(cpu, **spec):
    ...     return {"metadata": {}, "spec": {"containers": [{"resources": {"requests": {"cpu": cpu}}}], **spec}}
    >>> plan_refusals(pod("600m"), [pod("300m")], node)
    []
    >>> for one in plan_refusals(pod("600m", nodeSelector={"disk": "ssd"}), [pod("500m")], node):
    ...     print(one.reason, "|", one.message)
    OutOfcpu | Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000
    NodeAffinity | Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector
    """
    return [
        *_other_system(pod),
        *(_short(one) for one in plan_shortages(pod, others, node)),
        *(_predicate(name) for name in _unfit(pod, others, node, known)),
    ]


def _other_system(pod: Object) -> Iterator[Refusal]:
    labels, system = pod["metadata"].get("labels") or {}, (pod["spec"].get("os") or {}).get("name")
    if labels.get(OS_LABEL, SYSTEM) != SYSTEM:
        message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        yield Refusal("PodOSSelectorNodeLabelDoesNotMatch", message)
    if system and system != SYSTEM:
        yield Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")


def plan_shortages(pod: Object, others: Sequence[Object], node: Object) -> list[Shortage]:
    """What the node has too little of. Extended resources that it does not know are somebody else's.

    >>> node = {"status": {"allocatable": {"pods": "1", "memory": "1Ki", "example.com/fpga": "1"}}}
    >>> asks = {"memory": "1Ki", "example.com/fpga": "2", "example.com/gpu": "1"}
    >>> pod = {"spec": {"containers": [{"resources": {"requests": asks}}]}}
    >>> [(one.resource, one.missing) for one in plan_shortages(pod, [{"spec": {"containers": [{}]}}], node)]
    [('pods', 1), ('example.com/fpga', 1)]
    """
    has = (node.get("status") or {}).get("allocatable") or {}
    wanted, taken = pod_requests(pod), [pod_requests(one) for one in others]
    rows = [(PODS, 1, len(others))]
    for name in (*USUAL, *sorted(set(wanted) - {*USUAL, PODS})):
        if wanted.get(name) and (name in has or not may_mean_devices(name)):
            rows.append((name, wanted[name], sum(one.get(name, 0) for one in taken)))
    found = [Shortage(name, asked, used, amount(name, has.get(name, 0))) for name, asked, used in rows]
    return [one for one in found if one.missing > 0]


def _short(one: Shortage) -> Refusal:
    message = f"Node didn't have enough resource: {one.resource}, requested: {one.requested}, used: {one.used}, "
    return Refusal(f"OutOf{one.resource}", f"{message}capacity: {one.capacity}", one)


def _predicate(name: str) -> Refusal:
    return Refusal(name, f"Predicate {name} failed: {WORDS[name]}")


def _unfit(pod: Object, others: Sequence[Object], node: Object, known: bool) -> Iterator[str]:
    spec = pod["spec"]
    if not known and not matches_node(spec, node):
        yield NODE_AFFINITY
    if spec.get("nodeName", node["metadata"]["name"]) != node["metadata"]["name"]:
        yield "NodeName"
    wanted, taken = host_ports(pod), [port for other in others for port in host_ports(other)]
    if any(collide(one, other) for one in wanted for other in taken):
        yield "NodePorts"
    looked_at = () if known or is_static(pod) else taints_of(node)
    if first_untolerated(looked_at, tolerations_of(spec), (NO_EXECUTE,)) is not None:
        yield "TaintToleration"


def plan_apparmor(pod: Object, *, enabled: bool) -> Refusal | None:
    """A profile cannot be enforced by a kernel that has no AppArmor.

    >>> pod = {"spec": {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}, "containers": [{}]}}
    >>> plan_apparmor(pod, enabled=False).message
    'Cannot enforce AppArmor: AppArmor is not enabled on the host'
    """
    kinds = [(effective(pod, one.spec, "appArmorProfile") or {}).get("type") for one in members(pod)]
    if enabled or all(kind in (None, "Unconfined") for kind in kinds):
        return None
    return Refusal("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")


class HostPort(NamedTuple):
    address: str
    protocol: str
    number: int


def host_ports(pod: Object) -> list[HostPort]:
    """Those of containers and sidecars; other init containers have gone before.

    >>> host_ports({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}, {"hostPort": 81}]}]}})
    [HostPort(address='', protocol='TCP', number=81)]
    """
    return [
        HostPort(port.get("hostIP") or "", port.get("protocol") or "TCP", int(port["hostPort"]))
        for member in members(pod)
        if member.kind in ("main", "sidecar")
        for port in member.spec.get("ports") or ()
        if port.get("hostPort")
    ]


def collide(one: HostPort, other: HostPort) -> bool:
    """
    >>> collide(HostPort("0.0.0.0", "TCP", 80), HostPort("10.0.0.1", "TCP", 80))
    True
    """
    if (one.protocol, one.number) != (other.protocol, other.number):
        return False
    return one.address in ANY or other.address in ANY or one.address == other.address
