"""What becomes of objects that are deleted: upstream's cases, one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from corral.cluster.apiserver.objects.deletion import KEEP, MARK, REMOVE, is_over, plan_deletion, plan_finalizers
from corral.cluster.apiserver.options import DeleteOptions

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PODS, SECRETS, NAMESPACES = ("", "pods"), ("", "secrets"), ("", "namespaces")


def pod(node: str = "n", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 1, **metadata}, "spec": {"nodeName": node, "terminationGracePeriodSeconds": 30}}


@pytest.mark.parametrize(
    ("grace", "seconds", "until"), [(None, 30, "03:04:35"), (5, 5, "03:04:10"), (-3, 1, "03:04:06")]
)
def test_the_grace_of_a_pod(grace: int | None, seconds: int, until: str) -> None:
    plan = plan_deletion(pod(), DeleteOptions(grace=grace), PODS, NOW)
    metadata = plan.object["metadata"]
    assert (plan.action, metadata["deletionGracePeriodSeconds"]) == (MARK, seconds)
    assert metadata["deletionTimestamp"] == f"2026-01-02T{until}Z" and metadata["generation"] == 2


def test_no_grace_is_no_waiting() -> None:
    assert plan_deletion(pod(), DeleteOptions(grace=0), PODS, NOW).action == REMOVE
    assert plan_deletion(pod(node=""), DeleteOptions(), PODS, NOW).action == REMOVE
    done = {**pod(), "status": {"phase": "Succeeded"}}
    assert plan_deletion(done, DeleteOptions(), PODS, NOW).action == REMOVE


def test_a_second_deletion_only_shortens() -> None:
    waiting = plan_deletion(pod(), DeleteOptions(), PODS, NOW).object
    assert plan_deletion(waiting, DeleteOptions(), PODS, NOW).action == KEEP
    assert plan_deletion(waiting, DeleteOptions(grace=30), PODS, NOW).action == KEEP
    shorter = plan_deletion(waiting, DeleteOptions(grace=10), PODS, NOW).object["metadata"]
    assert (shorter["deletionTimestamp"], shorter["deletionGracePeriodSeconds"]) == ("2026-01-02T03:04:15Z", 10)
    assert shorter["generation"] == 2
    assert plan_deletion(waiting, DeleteOptions(grace=0), PODS, NOW).action == REMOVE


def test_finalizers_outlast_the_grace() -> None:
    plan = plan_deletion(pod(finalizers=["x/y"]), DeleteOptions(grace=0), PODS, NOW)
    assert plan.action == MARK and plan.object["metadata"]["finalizers"] == ["x/y"]


def test_a_marked_object_is_kept_as_it_is() -> None:
    marked = plan_deletion({"metadata": {"finalizers": ["x/y"]}}, DeleteOptions(), SECRETS, NOW).object
    assert plan_deletion(marked, DeleteOptions(), SECRETS, NOW).action == KEEP


def test_jobs_orphan_unless_told_otherwise() -> None:
    job = {"metadata": {"name": "j"}}
    plan = plan_deletion(job, DeleteOptions(), ("batch", "jobs"), NOW)
    assert (plan.action, plan.object["metadata"]["finalizers"]) == (MARK, ["orphan"])
    assert plan_deletion(job, DeleteOptions(propagation="Background"), ("batch", "jobs"), NOW).action == REMOVE
    assert plan_deletion({"metadata": {}}, DeleteOptions(propagation="Orphan"), ("", "events"), NOW).action == REMOVE


@pytest.mark.parametrize(
    ("before", "options", "default", "after"),
    [
        ([], DeleteOptions(), False, []),
        (["orphan"], DeleteOptions(), False, ["orphan"]),
        (["foregroundDeletion"], DeleteOptions(), True, ["foregroundDeletion"]),
        (["orphan"], DeleteOptions(propagation="Foreground"), False, ["foregroundDeletion"]),
        (["foregroundDeletion", "a/b"], DeleteOptions(propagation="Orphan"), False, ["a/b", "orphan"]),
        (["orphan"], DeleteOptions(orphan=False), True, []),
    ],
)
def test_finalizers_by_way(before: list[str], options: DeleteOptions, default: bool, after: list[str]) -> None:
    assert plan_finalizers(before, options, default) == after


def test_a_namespace_turns_before_it_goes() -> None:
    active = {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    first = plan_deletion(active, DeleteOptions(), NAMESPACES, NOW)
    assert (first.action, first.object["status"]) == (MARK, {"phase": "Terminating"})
    assert plan_deletion(first.object, DeleteOptions(), NAMESPACES, NOW).action == KEEP
    empty = {**first.object, "spec": {}}
    assert plan_deletion(empty, DeleteOptions(), NAMESPACES, NOW).action == REMOVE


@pytest.mark.parametrize(
    ("metadata", "over"),
    [
        ({}, False),
        ({"deletionTimestamp": "t"}, True),
        ({"deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}, True),
        ({"deletionTimestamp": "t", "deletionGracePeriodSeconds": 5}, False),
        ({"deletionTimestamp": "t", "finalizers": ["a"]}, False),
    ],
)
def test_when_nothing_keeps_it_any_more(metadata: dict[str, Any], over: bool) -> None:
    assert is_over({"metadata": metadata}, SECRETS) is over


def test_a_namespace_is_kept_by_its_spec() -> None:
    going = {"metadata": {"deletionTimestamp": "t"}, "spec": {"finalizers": ["kubernetes"]}}
    assert not is_over(going, NAMESPACES) and is_over({**going, "spec": {}}, NAMESPACES)
