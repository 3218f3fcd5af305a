"""What a StatefulSet says of its pods. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.history import POD_LABEL
from corral.cluster.controllers.common.objects import replicas
from corral.cluster.controllers.common.pods import is_available, is_ready, label, phase


def plan_status(
    owner: Object, pods: Sequence[Object], current: str, update: str, collisions: int, now: datetime
) -> Object:
    """The new status; when all pods have the revision `update`, it has become the current one.

    >>> ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    >>> pod = {"metadata": {"name": "db-0", "labels": {POD_LABEL: "b"}}, "status": ready}
    >>> owner = {"metadata": {"generation": 2}, "spec": {"replicas": 1, "updateStrategy": {"type": "RollingUpdate"}}}
    >>> status = plan_status(owner, [pod], "a", "b", 0, datetime(2026, 1, 2))
    >>> status["currentRevision"], status["currentReplicas"], status["availableReplicas"]
    ('b', 1, 1)
    """
    spec, min_ready = owner["spec"], int(owner["spec"].get("minReadySeconds") or 0)
    running = [pod for pod in pods if phase(pod) == "Running" and is_ready(pod)]
    staying = [pod for pod in pods if not meta.deleting(pod)]
    counts = {
        "replicas": len(pods),
        "readyReplicas": len(running),
        "availableReplicas": sum(is_available(pod, min_ready, now) for pod in running),
        "currentReplicas": sum(label(pod, POD_LABEL) == current for pod in staying),
        "updatedReplicas": sum(label(pod, POD_LABEL) == update for pod in staying),
    }
    rolling = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    wanted = replicas(owner)
    if rolling and all(counts[name] == wanted for name in ("updatedReplicas", "readyReplicas", "replicas")):
        counts["currentReplicas"], current = counts["updatedReplicas"], update
    shown = {key: value for key, value in counts.items() if value or key in ("replicas", "availableReplicas")}
    told = (owner.get("status") or {}).get("conditions")
    return {
        "observedGeneration": owner["metadata"].get("generation", 0),
        **shown,
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": collisions,
        **({"conditions": told} if told else {}),
    }
