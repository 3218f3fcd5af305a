"""Jobs on a real API server: from the first pod to the last word."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import JOBS, PODS
from tests.support.workloads import Cluster, Kubelet, Object, cluster, running

Verdict = Callable[[Object], int]


class Machine(Kubelet):
    """Runs pods to their end at once, with the exit code that `code` gives; None: they go on."""

    code: Callable[[Object], int | None] = staticmethod(lambda pod: 0)

    async def _step(self, pod: Object) -> None:
        await super()._step(pod)
        if (pod.get("status") or {}).get("phase") == "Running" and not meta.deleting(pod):
            code = self.code(pod)
            if code is not None:
                await self.end(pod, code)

    async def end(self, pod: Object, code: int) -> None:
        ended = {"exitCode": code, "finishedAt": self.cluster.now().strftime("%Y-%m-%dT%H:%M:%SZ")}
        image = {"image": "busybox:1", "imageID": "", "ready": False, "restartCount": 0}
        status = {"name": "main", "state": {"terminated": ended}, **image}
        await self.tell(pod, "Failed" if code else "Succeeded", containerStatuses=[status])


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, ("job-controller", "ttl-after-finished-controller")) as found:
        yield found


@pytest.fixture
async def machine(shop: Cluster) -> AsyncIterator[Machine]:
    found = Machine(shop)
    async with running(found):
        yield found


def job(**spec: Any) -> Object:
    pod = {"spec": {"containers": [{"name": "main", "image": "busybox:1"}], "restartPolicy": "Never"}}
    return {"metadata": {"name": "sum", "namespace": "shop"}, "spec": {"template": pod, **spec}}


async def ended(shop: Cluster, type: str) -> Object:
    """The Job with its final condition, which is shown."""

    def holds(one: Object) -> bool:
        return any(
            c["type"] == type and c["status"] == "True" for c in (one.get("status") or {}).get("conditions") or ()
        )

    return await shop.until(JOBS, "shop/sum", holds)


def told(job: Object) -> list[tuple[str, str, str]]:
    return [(c["type"], c.get("reason", ""), c.get("message", "")) for c in job["status"]["conditions"]]


async def change(shop: Cluster, patch: Object) -> None:
    written = await shop.client.patch(JOBS, "sum", "shop", patch=patch)
    await shop.shared.informers.of(JOBS).seen(written)


def index(pod: Object) -> int:
    return int(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"])


async def test_a_job_runs_its_pods_and_counts_each_once(shop: Cluster, machine: Machine) -> None:
    await shop.client.create(JOBS, job(completions=5, parallelism=2))
    most = []
    shop.shared.informers.of(PODS).on_change(lambda old, new: most.append(_live(shop)))
    found = await ended(shop, "Complete")
    status = found["status"]
    assert status["succeeded"] == 5 and "failed" not in status and "active" not in status
    assert status["ready"] == 0 and status["uncountedTerminatedPods"] == {} and status["completionTime"]
    reached = ("CompletionsReached", "Reached expected number of succeeded pods")
    assert told(found) == [("SuccessCriteriaMet", *reached), ("Complete", *reached)]
    assert max(most) <= 2
    await shop.told("sum", "Completed", "Job completed")
    assert all(not pod["metadata"].get("finalizers") for pod in shop.pods())
    assert len(shop.pods(**{"batch.kubernetes.io/job-name": "sum"})) == 5


def _live(shop: Cluster) -> int:
    return sum((pod.get("status") or {}).get("phase") in ("Pending", "Running") for pod in shop.pods())


async def test_failures_are_retried_with_a_rest_until_the_limit(shop: Cluster, machine: Machine) -> None:
    machine.code = lambda pod: 1
    await shop.client.create(JOBS, job(backoffLimit=1))
    await shop.until(JOBS, "shop/sum", lambda one: (one.get("status") or {}).get("failed") == 1)
    assert len(shop.pods()) == 1
    shop.ahead += timedelta(seconds=11)
    await change(shop, {"metadata": {"annotations": {"look": "again"}}})
    found = await ended(shop, "Failed")
    reached = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    assert told(found) == [("FailureTarget", *reached), ("Failed", *reached)]
    assert found["status"]["failed"] == 2
    await shop.told("sum", *reached)


async def test_an_indexed_job_has_one_pod_for_each_index(shop: Cluster, machine: Machine) -> None:
    await shop.client.create(JOBS, job(completions=4, parallelism=4, completionMode="Indexed"))
    found = await ended(shop, "Complete")
    assert found["status"]["completedIndexes"] == "0-3" and found["status"]["succeeded"] == 4
    pods = {index(pod): pod for pod in shop.pods()}
    assert sorted(pods) == [0, 1, 2, 3]
    assert meta.name(pods[2]).startswith("sum-2-") and pods[2]["spec"]["hostname"] == "sum-2"
    assert pods[2]["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "2"


async def test_an_index_fails_alone_and_the_others_go_on(shop: Cluster, machine: Machine) -> None:
    machine.code = lambda pod: 1 if index(pod) == 1 else 0
    spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 0}
    await shop.client.create(JOBS, job(**spec))
    found = await ended(shop, "Failed")
    assert (found["status"]["completedIndexes"], found["status"]["failedIndexes"]) == ("0,2", "1")
    assert (found["status"]["ready"], found["status"]["terminating"]) == (0, 0)
    assert told(found)[-1] == ("Failed", "FailedIndexes", "Job has failed indexes")


async def test_an_index_that_failed_is_tried_again_and_its_failures_are_known(shop: Cluster, machine: Machine) -> None:
    first = set()

    def code(pod: Object) -> int:
        if index(pod) == 0 and not first:
            first.add(meta.uid(pod))
        return int(meta.uid(pod) in first)

    machine.code = code
    spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1}
    await shop.client.create(JOBS, job(**spec))
    await shop.until(JOBS, "shop/sum", lambda one: (one.get("status") or {}).get("completedIndexes") == "1")
    shop.ahead += timedelta(seconds=11)
    await change(shop, {"metadata": {"annotations": {"look": "again"}}})
    found = await ended(shop, "Complete")
    assert found["status"]["failed"] == 1 and found["status"]["completedIndexes"] == "0-1"
    counts = sorted(
        pod["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] for pod in shop.pods()
    )
    assert counts == ["0", "0", "1"]


async def test_a_policy_ends_a_job_by_an_exit_code(shop: Cluster, machine: Machine) -> None:
    machine.code = lambda pod: 42
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    await shop.client.create(JOBS, job(podFailurePolicy={"rules": [rule]}))
    found = await ended(shop, "Failed")
    (pod,) = shop.pods()
    text = f"Container main for pod shop/{meta.name(pod)} failed with exit code 42 matching FailJob rule at index 0"
    assert told(found) == [("FailureTarget", "PodFailurePolicy", text), ("Failed", "PodFailurePolicy", text)]


async def test_a_success_policy_ends_a_job_early(shop: Cluster, machine: Machine) -> None:
    machine.code = lambda pod: 0 if index(pod) == 0 else None
    spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed"}
    await shop.client.create(JOBS, job(**spec, successPolicy={"rules": [{"succeededIndexes": "0"}]}))
    found = await ended(shop, "Complete")
    assert told(found)[-1] == ("Complete", "SuccessPolicy", "Matched rules at index 0")
    assert found["status"]["succeeded"] == 1 and "failed" not in found["status"]


async def test_a_suspended_job_gives_up_its_pods_and_goes_on_later(shop: Cluster, machine: Machine) -> None:
    machine.code = lambda pod: None
    await shop.client.create(JOBS, job(parallelism=2, completions=2))
    await shop.until(JOBS, "shop/sum", lambda one: (one.get("status") or {}).get("ready") == 2)
    await change(shop, {"spec": {"suspend": True}})
    await shop.until_all(PODS, lambda pods: not pods)
    found = await shop.until(JOBS, "shop/sum", lambda one: "active" not in one["status"])
    assert told(found) == [("Suspended", "JobSuspended", "Job suspended")] and "failed" not in found["status"]
    machine.code = lambda pod: 0
    await change(shop, {"spec": {"suspend": False}})
    found = await ended(shop, "Complete")
    assert ("Suspended", "JobResumed", "Job resumed") in told(found)
    assert [reason for reason, _ in await shop.events("sum") if "us" in reason or reason == "Resumed"][:1] == [
        "Suspended"
    ]


async def test_a_deadline_ends_a_job(shop: Cluster, machine: Machine) -> None:
    machine.code = lambda pod: None
    await shop.client.create(JOBS, job(activeDeadlineSeconds=60))
    await shop.until(JOBS, "shop/sum", lambda one: (one.get("status") or {}).get("ready") == 1)
    shop.ahead += timedelta(seconds=61)
    await change(shop, {"metadata": {"annotations": {"look": "again"}}})
    found = await ended(shop, "Failed")
    assert told(found)[-1] == ("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")


async def test_a_finished_job_goes_when_its_time_is_over(shop: Cluster, machine: Machine) -> None:
    await shop.client.create(JOBS, job(ttlSecondsAfterFinished=100))
    await ended(shop, "Complete")
    shop.ahead += timedelta(seconds=101)
    await change(shop, {"metadata": {"annotations": {"look": "again"}}})
    await shop.until(JOBS, "shop/sum", meta.deleting)


async def test_another_controllers_job_is_left_alone(shop: Cluster, machine: Machine) -> None:
    await shop.client.create(JOBS, job(managedBy="example.com/mine"))
    other = job()
    other["metadata"]["name"] = "other"
    await shop.client.create(JOBS, other)
    await shop.until(JOBS, "shop/other", lambda one: (one.get("status") or {}).get("succeeded") == 1)
    found = await shop.client.get(JOBS, "sum", "shop")
    assert not found.get("status")


async def test_pods_of_a_job_that_is_gone_are_not_kept(shop: Cluster, machine: Machine) -> None:
    machine.code = lambda pod: None
    await shop.client.create(JOBS, job())
    await shop.until(JOBS, "shop/sum", lambda one: (one.get("status") or {}).get("ready") == 1)
    await shop.client.delete(JOBS, "sum", "shop", options={"propagationPolicy": "Background"})
    await shop.until_all(PODS, lambda pods: all(not pod["metadata"].get("finalizers") for pod in pods))
