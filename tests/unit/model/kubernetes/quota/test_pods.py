"""What a pod asks for in all, and what it must say."""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes.quota.pods import is_best_effort, plan_missing, pod_amounts

Object = dict[str, Any]


def container(**amounts: str) -> Object:
    return {"name": "c", "resources": {"requests": amounts, "limits": amounts}}


def shown(pod: Object, which: str) -> dict[str, str]:
    return {name: str(amount) for name, amount in pod_amounts(pod, which).items()}


def test_the_largest_moment_counts_and_the_overhead() -> None:
    spec = {"containers": [container(cpu="1"), container(cpu="500m")], "initContainers": [container(cpu="2")]}
    pod = {"spec": {**spec, "overhead": {"cpu": "100m", "memory": "1Mi"}}}
    assert shown(pod, "requests") == {"cpu": "2100m", "memory": "1Mi"}
    assert shown(pod, "limits") == {"cpu": "2100m"}, "an overhead is no limit where nothing else is"
    assert shown({}, "requests") == {}


def test_a_pod_that_asks_for_disk_alone_is_best_effort() -> None:
    disk = {"containers": [container(**{"ephemeral-storage": "1Gi"})]}
    assert is_best_effort({"spec": disk}) and not is_best_effort({"spec": {"containers": [container(cpu="1")]}})


def test_what_must_be_said() -> None:
    pod = {"spec": {"containers": [{"name": "b"}, {"name": "a"}]}}
    hard = {"limits.cpu": "1", "requests.memory": "1", "pods": "1", "requests.example.com/gpu": "1"}
    assert plan_missing(pod, hard) == "limits.cpu for: a,b; requests.memory for: a,b"
    assert plan_missing({"spec": {"containers": [container(cpu="1")]}}, {"cpu": "1", "limits.cpu": "1"}) == ""
    init = {"spec": {"containers": [container(cpu="1")], "initContainers": [{"name": "first"}]}}
    assert plan_missing(init, {"cpu": "1"}) == "cpu for: first"
