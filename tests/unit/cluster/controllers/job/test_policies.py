"""Policies of Jobs: which rule decides."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.controllers.job.policies import judge_failure, met_success_rule


def pod(code: int = 1, phase: str = "Failed", name: str = "main", **condition: str) -> dict[str, Any]:
    status = {"name": name, "state": {"terminated": {"exitCode": code}}}
    conditions = [{"type": type, "status": value} for type, value in condition.items()]
    return {
        "metadata": {"name": "p", "namespace": "d"},
        "status": {"phase": phase, "containerStatuses": [status], "conditions": conditions},
    }


def codes(action: str, operator: str, *values: int, **more: str) -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}


TARGETED = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(
    ("rules", "failed", "action", "counts"),
    [
        ([codes("FailIndex", "In", 3)], pod(3), "FailIndex", True),
        ([codes("FailIndex", "In", 3)], pod(4), "", True),
        ([codes("Ignore", "NotIn", 3)], pod(4), "Ignore", False),
        ([codes("Ignore", "NotIn", 3)], pod(0), "", True),
        ([codes("Count", "In", 3, containerName="other")], pod(3), "", True),
        ([codes("Ignore", "In", 3)], pod(3, phase="Running"), "", True),
        ([TARGETED], pod(1, DisruptionTarget="True"), "Ignore", False),
        ([TARGETED], pod(1, DisruptionTarget="False"), "", True),
        ([codes("Count", "In", 1), TARGETED], pod(1, DisruptionTarget="True"), "Count", True),
    ],
)
def test_failures(rules: list[dict[str, Any]], failed: dict[str, Any], action: str, counts: bool) -> None:
    found = judge_failure({"rules": rules}, failed)
    assert (found.action, found.counts) == (action, counts)


def test_a_condition_that_fails_the_job_is_named() -> None:
    rule = {"action": "FailJob", "onPodConditions": [{"type": "ConfigIssue", "status": "True"}]}
    found = judge_failure({"rules": [rule]}, pod(1, phase="Pending", ConfigIssue="True"))
    assert found.message == "Pod d/p has condition ConfigIssue matching FailJob rule at index 0"


@pytest.mark.parametrize(
    ("rule", "succeeded", "met"),
    [
        ({"succeededCount": 2}, {1, 4}, True),
        ({"succeededCount": 2}, {1}, False),
        ({"succeededIndexes": "0-2"}, {0, 1, 2, 4}, True),
        ({"succeededIndexes": "0-2", "succeededCount": 2}, {0, 4}, False),
        ({"succeededIndexes": "0-2", "succeededCount": 2}, {0, 2}, True),
    ],
)
def test_successes(rule: dict[str, Any], succeeded: set[int], met: bool) -> None:
    assert bool(met_success_rule({"rules": [rule]}, 5, succeeded)) == met
