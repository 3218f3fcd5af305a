"""What changes of nodes and pods mean to those that wait."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.scheduler import moves
from corral.cluster.scheduler.moves import node_changes, pod_changes
from tests.support.scheduling import node, pod

GONE = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def started(cpu: str, taken: str) -> dict[str, Any]:
    """A pod that runs, as its kubelet tells of it."""
    state = {"name": "main", "resources": {"requests": {"cpu": taken}}, "allocatedResources": {"cpu": taken}}
    return pod("p", on="n", requests={"cpu": cpu}, status={"phase": "Running", "containerStatuses": [state]})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, pod("p"), []),
        (pod("p"), pod("p", on="n"), [moves.POD_ASSIGNED]),
        (None, pod("p", on="n"), [moves.POD_ASSIGNED]),
        (pod("p", on="n"), None, [moves.POD_DELETED]),
        (pod("p"), None, []),
        (pod("p", on="n"), pod("p", on="n", status={"phase": "Succeeded"}), [moves.POD_DELETED]),
        (pod("p", on="n"), pod("p", {"a": "b"}, on="n"), [moves.POD_LABELS]),
        (pod("p", on="n"), pod("p", on="n", metadata=GONE), [moves.POD_LABELS]),
        (pod("p", on="n", requests={"cpu": "2"}), started("2", "2"), []),
        (started("2", "2"), started("1", "2"), []),  # asked to shrink, and it has not yet
        (started("1", "2"), started("1", "1"), [moves.POD_SHRUNK]),
        (started("1", "1"), started("2", "1"), []),
    ],
)
def test_pods(old: Any, new: Any, expected: list[str]) -> None:
    assert list(pod_changes(old, new)) == expected


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (node("n"), []),
        (node("n", {"a": "b"}), [moves.NODE_LABELS]),
        (node("n", cpu="9"), [moves.NODE_RESOURCES]),
        (node("n", unschedulable=True), [moves.NODE_TAINTS]),
        (node("n", taints=[("k", "", "NoSchedule")]), [moves.NODE_TAINTS]),
        (None, [moves.NODE_DELETED]),
    ],
)
def test_nodes(new: Any, expected: list[str]) -> None:
    assert list(node_changes(node("n"), new)) == expected
