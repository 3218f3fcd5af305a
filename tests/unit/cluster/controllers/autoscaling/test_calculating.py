"""How many pods a metric asks for, with pods that are not ready or not measured."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from corral.cluster.client.metrics import Unavailable, Usage
from corral.cluster.controllers.autoscaling.calculating import (
    Groups,
    Tolerance,
    group,
    plan_average,
    plan_utilization,
    requests_of,
)

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
NONE: frozenset[str] = frozenset()


def utilization(used: dict[str, int], unready: str = "", missing: str = "", current: int = 0) -> int:
    names = frozenset(used) - frozenset(unready)
    groups = Groups(names, frozenset(unready), frozenset(missing), NONE)
    usages = {name: Usage(value, NOW) for name, value in used.items()}
    requests = dict.fromkeys((*used, *unready, *missing), 1000)
    return plan_utilization(current or len(requests), 50, usages, requests, groups, Tolerance()).replicas


@pytest.mark.parametrize(
    ("used", "unready", "missing", "expected"),
    [
        ({"a": 1000, "b": 1000}, "", "", 4),
        ({"a": 520, "b": 520}, "", "", 2),
        ({"a": 100, "b": 100}, "", "", 1),
        ({"a": 1000, "b": 1000}, "c", "", 4),  # one that is not ready uses nothing yet: 2000 of 3000
        ({"a": 600}, "b", "", 2),  # and so it may be enough as it is
        ({"a": 100, "b": 100}, "", "c", 3),  # one that is not measured may use all it asked for: no shrinking below
        ({"a": 1000, "b": 1000}, "", "c", 4),
    ],
)
def test_utilization(used: dict[str, int], unready: str, missing: str, expected: int) -> None:
    assert utilization(used, unready, missing) == expected


def test_nobody_is_measured() -> None:
    with pytest.raises(Unavailable, match="did not receive metrics for targeted pods"):
        plan_average(2, 100, {}, Groups(NONE, NONE, frozenset("a"), NONE), Tolerance())


def test_a_pod_that_asked_for_nothing_is_named() -> None:
    pod = {"metadata": {"name": "web-1"}, "spec": {"containers": [{"name": "main"}]}}
    with pytest.raises(Unavailable, match="missing request for cpu in container main of Pod web-1"):
        requests_of([pod], "cpu")


def test_pods_that_just_began_are_no_measure_of_cpu() -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T11:59:30Z"}
    status = {"phase": "Running", "startTime": "2026-01-02T11:59:00Z", "conditions": [ready]}
    pods = [
        {"metadata": {"name": "begun"}, "status": status},
        {"metadata": {"name": "late"}, "status": {"phase": "Pending"}},
        {"metadata": {"name": "gone", "deletionTimestamp": "t"}, "status": status},
    ]
    usages = {name: Usage(1, NOW) for name in ("begun", "late", "gone")}
    found = group(pods, usages, "cpu", NOW)
    assert (found.ready, found.unready, found.ignored) == (NONE, {"begun", "late"}, {"gone"})
    assert group(pods, usages, "memory", NOW).ready == {"begun"}
