"""Which nodes a DaemonSet's pods belong on, and how a pod is tied to its node. Pure.

Follows upstream's pkg/controller/daemon and its util.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.history import POD_LABEL
from corral.cluster.controllers.common.objects import copied, pod_of_template, with_labels
from corral.cluster.controllers.common.pods import node_of
from corral.model.kubernetes.placement import matches_node
from corral.model.kubernetes.taints import NO_EXECUTE, first_untolerated, taints_of, tolerations_of

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_NODE_NAME = "metadata.name"
# Taints that a DaemonSet's pods bear whatever their template says: (key, effect).
_BORNE = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_BORNE_ON_HOST = ("node.kubernetes.io/network-unavailable", "NoSchedule")


def with_tolerations(spec: Object) -> Object:
    """A pod's spec that bears what nodes suffer for a while.

    >>> len(with_tolerations({})["tolerations"]), len(with_tolerations({"hostNetwork": True})["tolerations"])
    (6, 7)
    """
    known = list(spec.get("tolerations") or ())
    for key, effect in (*_BORNE, *([_BORNE_ON_HOST] if spec.get("hostNetwork") else [])):
        one = {"key": key, "operator": "Exists", "effect": effect}
        if one not in known:
            known.append(one)
    return {**spec, "tolerations": known}


class Verdict(NamedTuple):
    """Whether a pod belongs on the node, and whether one that is there may stay."""

    run: bool
    stay: bool


def judge(daemon_set: Object, node: Object) -> Verdict:
    """
    >>> daemon_set = {"spec": {"template": {"spec": {}}}}
    >>> taint = lambda effect: {"metadata": {"name": "n"}, "spec": {"taints": [{"key": "x", "effect": effect}]}}
    >>> judge(daemon_set, {"metadata": {"name": "n"}})
    Verdict(run=True, stay=True)
    >>> judge(daemon_set, taint("NoSchedule")), judge(daemon_set, taint("NoExecute"))
    (Verdict(run=False, stay=True), Verdict(run=False, stay=False))
    """
    spec = with_tolerations(daemon_set["spec"]["template"].get("spec") or {})
    if spec.get("nodeName") and spec["nodeName"] != meta.name(node):
        return Verdict(False, False)
    if not matches_node(spec, node):
        return Verdict(False, False)
    taints, tolerations = taints_of(node), tolerations_of(spec)
    if first_untolerated(taints, tolerations) is None:
        return Verdict(True, True)
    return Verdict(False, first_untolerated(taints, tolerations, (NO_EXECUTE,)) is None)


def target_node(pod: Object) -> str:
    """The node that a pod is on or is meant for; "" if it is for none in particular.

    >>> target_node({"spec": tied({}, "n1")}), target_node({"spec": {"nodeName": "n2"}}), target_node({"spec": {}})
    ('n1', 'n2', '')
    """
    if node_of(pod):
        return node_of(pod)
    required = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            if one.get("key") == _NODE_NAME and one.get("operator") == "In" and len(one.get("values") or ()) == 1:
                return str(one["values"][0])
    return ""


def tied(spec: Object, node: str) -> Object:
    """A pod's spec that the scheduler can place on this node only."""
    affinity = dict(spec.get("affinity") or {})
    field = {"key": _NODE_NAME, "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity["nodeAffinity"] = {**(affinity.get("nodeAffinity") or {}), _REQUIRED: required}
    return {**spec, "affinity": affinity}


def new_pod(daemon_set: Object, node: str, hash: str, reference: Object) -> Object:
    pod = pod_of_template(daemon_set["spec"]["template"], daemon_set, reference)
    spec = tied(with_tolerations(pod["spec"]), node)
    return {**pod, "metadata": with_labels(pod["metadata"], {POD_LABEL: hash}), "spec": copied(spec)}


def by_node(pods: Iterable[Object]) -> dict[str, list[Object]]:
    """Pods by the node they are on or meant for, the oldest first."""
    found: dict[str, list[Object]] = {}
    for pod in sorted(pods, key=lambda one: (one["metadata"].get("creationTimestamp") or "", meta.name(one))):
        node = target_node(pod)
        if node:
            found.setdefault(node, []).append(pod)
    return found
