"""Which pods go first: each rule decides when those before it do not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from corral.cluster.controllers.common.ranking import DELETION_COST, plan_deletions

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def pod(name: str, phase: str = "Running", ready: str = "2026-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(bool(ready)), "lastTransitionTime": ready}]
    cost = {DELETION_COST: str(more["cost"])} if "cost" in more else {}
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "annotations": cost,
            "creationTimestamp": more.get("created", "2026-01-01T00:00:00Z"),
        },
        "spec": {"nodeName": more.get("node", "n1")},
        "status": {
            "phase": phase,
            "conditions": conditions,
            "containerStatuses": [{"restartCount": more.get("restarts", 0)}],
        },
    }


def test_the_order() -> None:
    pods = [
        pod("old"),
        pod("young", created="2026-01-02T11:59:00Z"),
        pod("restarted", restarts=3),
        pod("fresh", ready="2026-01-02T11:59:00Z"),
        pod("crowded", node="n2"),
        pod("cheap", cost=-1),
        pod("unready", ready=""),
        pod("pending", phase="Pending", ready=""),
        pod("unassigned", phase="Pending", ready="", node=""),
    ]
    expected = [one["metadata"]["name"] for one in reversed(pods)]
    related = [*pods, *(pod(f"other{n}", node="n2") for n in range(20))]
    assert [one["metadata"]["name"] for one in plan_deletions(pods, 9, NOW, related)] == expected
    assert len(plan_deletions(pods, 2, NOW)) == 2 and plan_deletions(pods, -1, NOW) == []
