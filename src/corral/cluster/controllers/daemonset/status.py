"""What a DaemonSet says of its pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.pods import is_ready
from corral.cluster.controllers.daemonset.managing import View
from corral.cluster.controllers.daemonset.placing import Verdict


def plan_status(
    daemon_set: Object,
    nodes: Mapping[str, Verdict],
    pods: Mapping[str, Sequence[Object]],
    view: View,
    collisions: int | None,
) -> Object:
    """The new status. Of several pods on a node the oldest counts.

    >>> from datetime import datetime
    >>> ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    >>> pod = {"metadata": {"name": "p", "labels": {"controller-revision-hash": "h"}}, "status": ready}
    >>> nodes = {"a": Verdict(True, True), "b": Verdict(True, True), "c": Verdict(False, True)}
    >>> view = View("h", 0, 1, 0, datetime(2026, 1, 2))
    >>> status = plan_status({"metadata": {}}, nodes, {"a": [pod], "c": [pod]}, view, None)
    >>> [status[name] for name in ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled")]
    [2, 1, 1]
    >>> status["numberAvailable"], status["numberUnavailable"]
    (1, 1)
    """
    desired = [node for node, verdict in nodes.items() if verdict.run]
    first = [pods[node][0] for node in desired if pods.get(node)]
    available = sum(map(view.is_available, first))
    status: Object = {
        "currentNumberScheduled": len(first),
        "numberMisscheduled": sum(bool(pods.get(node)) for node, verdict in nodes.items() if not verdict.run),
        "desiredNumberScheduled": len(desired),
        "numberReady": sum(map(is_ready, first)),
    }
    more = {
        "observedGeneration": daemon_set["metadata"].get("generation", 0),
        "updatedNumberScheduled": sum(map(view.is_new, first)),
        "numberAvailable": available,
        "numberUnavailable": len(desired) - available,
    }
    status |= {key: value for key, value in more.items() if value}
    if collisions is not None:
        status["collisionCount"] = collisions
    told = (daemon_set.get("status") or {}).get("conditions")
    return status | ({"conditions": told} if told else {})
