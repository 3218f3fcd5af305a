"""What a ReplicaSet says of its pods. Pure. Follows upstream's replica_set_utils.go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.common import conditions
from corral.cluster.controllers.common.pods import is_active, is_available, is_ready, is_terminating

FAILURE = "ReplicaFailure"


def plan_status(
    owner: Object, pods: Sequence[Object], failure: tuple[str, str] | None, now: datetime, *, terminating: bool = True
) -> Object:
    """The new status. `failure`: (reason, message) of what stopped making or deleting pods.
    `terminating`: whether the kind counts pods on their way out (ReplicationControllers don't).

    >>> owner = {"metadata": {"generation": 2}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}
    >>> ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    >>> pods = [{"metadata": {"labels": {"a": "b"}}, "status": ready}, {"metadata": {}, "status": {}}]
    >>> status = plan_status(owner, pods, None, datetime(2026, 1, 2))
    >>> status["replicas"], status["fullyLabeledReplicas"], status["readyReplicas"], status["availableReplicas"]
    (2, 1, 1, 1)
    """
    spec, old = owner["spec"], owner.get("status") or {}
    wanted = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    min_ready = spec.get("minReadySeconds") or 0
    active = [pod for pod in pods if is_active(pod)]
    status: Object = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(wanted.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum(is_available(pod, min_ready, now) for pod in active),
        "observedGeneration": owner["metadata"].get("generation", 0),
    }
    status = {key: value for key, value in status.items() if value or key == "replicas"}
    if terminating:
        status["terminatingReplicas"] = sum(is_terminating(pod) for pod in pods)
    told = conditions.without(old.get("conditions"), FAILURE)
    if failure is not None:
        known = conditions.find(old.get("conditions"), FAILURE)
        told.append(known or conditions.make(FAILURE, True, *failure, to_text(now)))
    return status | {"conditions": told} if told else status
