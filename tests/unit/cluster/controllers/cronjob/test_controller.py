"""CronJobs on a real API server, by a clock that the test turns."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import CRON_JOBS, JOBS
from corral.model.kubernetes.status import StatusError
from tests.support.workloads import Cluster, Object, cluster


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, ("cronjob-controller",)) as found:
        now = found.now()  # early in a minute, so that none is over before the test turns the clock
        found.ahead = now.replace(second=5, microsecond=0) + timedelta(minutes=1) - now
        yield found


def cron_job(schedule: str = "* * * * *", **spec: Any) -> Object:
    pod = {"spec": {"containers": [{"name": "main", "image": "busybox:1"}], "restartPolicy": "Never"}}
    template = {"metadata": {"labels": {"from": "tick"}}, "spec": {"template": pod}}
    return {
        "metadata": {"name": "tick", "namespace": "shop"},
        "spec": {"schedule": schedule, "jobTemplate": template, **spec},
    }


async def tick(shop: Cluster, seconds: float) -> None:
    """The clock goes on, and the controller looks."""
    shop.ahead += timedelta(seconds=seconds)
    note = {"metadata": {"annotations": {"now": str(shop.ahead)}}}
    await shop.client.patch(CRON_JOBS, "tick", "shop", patch=note)


async def jobs(shop: Cluster, count: int) -> list[Object]:
    """All Jobs, once there are so many."""
    await shop.until_all(JOBS, lambda jobs: len(jobs) == count)
    return sorted(shop.shared.informers.of(JOBS).all(), key=meta.name)


async def finish(shop: Cluster, job: Object, type: str = "Complete") -> None:
    live = await shop.client.get(JOBS, meta.name(job), "shop")
    now = shop.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    first = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[type]
    conditions = [
        {"type": one, "status": "True", "lastTransitionTime": now, "lastProbeTime": now, "reason": "r", "message": "m"}
        for one in (first, type)
    ]
    status = {"startTime": now, "conditions": conditions, **({"completionTime": now} if type == "Complete" else {})}
    await shop.client.update(JOBS, {**live, "status": status}, subresource="status")


async def test_a_job_for_each_minute_and_no_two_for_one(shop: Cluster) -> None:
    await shop.client.create(CRON_JOBS, cron_job())
    await tick(shop, 60)
    (first,) = await jobs(shop, 1)
    found = await shop.until(CRON_JOBS, "shop/tick", lambda one: bool(one["status"].get("lastScheduleTime")))
    minute = int(meta.name(first).removeprefix("tick-"))
    assert first["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert first["metadata"]["labels"]["from"] == "tick" and meta.controlled_by(first, found)
    assert [one["name"] for one in found["status"]["active"]] == [meta.name(first)]
    await finish(shop, first)
    found = await shop.until(CRON_JOBS, "shop/tick", lambda one: not one["status"].get("active"))
    assert found["status"]["lastSuccessfulTime"]
    await shop.told("tick", "SawCompletedJob", f"Saw completed job: {meta.name(first)}, condition: Complete")
    await tick(shop, 60)
    assert [meta.name(one) for one in await jobs(shop, 2)][1] == f"tick-{minute + 1}"
    await shop.told("tick", "SuccessfulCreate", f"Created job {meta.name(first)}")


async def test_forbid_waits_for_the_one_that_runs(shop: Cluster) -> None:
    await shop.client.create(CRON_JOBS, cron_job(concurrencyPolicy="Forbid"))
    await tick(shop, 60)
    await jobs(shop, 1)
    await tick(shop, 60)
    text = "Not starting job because prior execution is running and concurrency policy is Forbid"
    await shop.told("tick", "JobAlreadyActive", text)
    assert len(await jobs(shop, 1)) == 1


async def test_replace_deletes_the_one_that_runs(shop: Cluster) -> None:
    await shop.client.create(CRON_JOBS, cron_job(concurrencyPolicy="Replace"))
    await tick(shop, 60)
    (first,) = await jobs(shop, 1)
    await tick(shop, 60)
    await shop.until_gone(JOBS, meta.key(first))
    (second,) = await jobs(shop, 1)
    found = await shop.until(
        CRON_JOBS, "shop/tick", lambda one: [a["uid"] for a in one["status"].get("active") or ()] == [meta.uid(second)]
    )
    assert found["status"]["lastScheduleTime"]


async def test_old_jobs_go_and_a_suspended_one_starts_none(shop: Cluster) -> None:
    await shop.client.create(CRON_JOBS, cron_job(successfulJobsHistoryLimit=1))
    await tick(shop, 60)
    (first,) = await jobs(shop, 1)
    await finish(shop, first)
    await shop.until(CRON_JOBS, "shop/tick", lambda one: not one["status"].get("active"))
    await tick(shop, 60)
    second = (await jobs(shop, 2))[1]
    await finish(shop, second)
    await shop.until_gone(JOBS, meta.key(first))
    await shop.client.patch(CRON_JOBS, "tick", "shop", patch={"spec": {"suspend": True}})
    await shop.until(CRON_JOBS, "shop/tick", lambda one: one["spec"]["suspend"] and not one["status"].get("active"))
    await tick(shop, 600)
    await shop.client.patch(CRON_JOBS, "tick", "shop", patch={"spec": {"suspend": False, "schedule": "0 0 1 1 *"}})
    await shop.until(CRON_JOBS, "shop/tick", lambda one: not one["spec"]["suspend"])
    assert [meta.name(one) for one in await jobs(shop, 1)] == [meta.name(second)]


async def test_a_job_that_was_not_noted_is_found_again(shop: Cluster) -> None:
    await shop.client.create(CRON_JOBS, cron_job(concurrencyPolicy="Forbid"))
    await tick(shop, 60)
    (first,) = await jobs(shop, 1)
    found = await shop.until(CRON_JOBS, "shop/tick", lambda one: bool(one["status"].get("active")))
    while True:  # as if the controller had been killed before it wrote
        live = await shop.client.get(CRON_JOBS, "tick", "shop")
        with contextlib.suppress(StatusError):
            await shop.client.update(CRON_JOBS, {**live, "status": {}}, subresource="status")
            break
    noted = await shop.until(
        CRON_JOBS, "shop/tick", lambda one: meta.version(one) > meta.version(found) and one["status"].get("active")
    )
    assert [one["uid"] for one in noted["status"]["active"]] == [meta.uid(first)]
    assert noted["status"]["lastScheduleTime"] == found["status"]["lastScheduleTime"]
