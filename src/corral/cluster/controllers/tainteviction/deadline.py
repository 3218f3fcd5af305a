"""When a pod has to leave its node. Pure. Follows k8s.io/kubernetes/pkg/controller/tainteviction."""

from __future__ import annotations

from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text
from corral.model.kubernetes.taints import NO_EXECUTE, seconds_tolerated, taints_of, tolerations_of


def deadline(pod: Object, node: Object, now: float) -> float | None:
    """Seconds since the epoch; None: it may stay. It counts from when the last of the taints was set, so that a new
    controller comes to the same answer.

    >>> taint = {"key": "a", "effect": "NoExecute", "timeAdded": "1970-01-01T00:01:00Z"}
    >>> pod = {"spec": {"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 30}]}}
    >>> deadline(pod, {"spec": {"taints": [taint]}}, 70.0), deadline({"spec": {}}, {"spec": {"taints": [taint]}}, 70.0)
    (90.0, 70.0)
    """
    seconds = seconds_tolerated(taints_of(node), tolerations_of(pod["spec"]))
    if seconds is None:
        return None
    if seconds <= 0:
        return now
    taints = [one for one in node["spec"].get("taints") or () if one["effect"] == NO_EXECUTE]
    added = [from_text(one["timeAdded"]).timestamp() for one in taints if one.get("timeAdded")]
    return max(added, default=now) + seconds
