"""Workloads, step by step, with pods that get ready, break and vanish as chance wills."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.cluster.client import meta
from corral.cluster.controllers.common.podcontrol import batches
from corral.cluster.controllers.common.pods import is_ready
from corral.cluster.controllers.cronjob.schedule import last_time, matches_day, next_time
from corral.cluster.controllers.deployment.revisions import size_of
from corral.cluster.controllers.deployment.rolling import plan_rolling
from corral.cluster.controllers.deployment.scaling import plan_scaling
from corral.cluster.controllers.deployment.sizes import Bounds, Size, fenceposts
from corral.cluster.controllers.job.backoff import Record
from corral.cluster.controllers.job.deciding import end_of, is_complete, plan_pods
from corral.cluster.controllers.job.indexes import parse as parse_indexes
from corral.cluster.controllers.job.indexes import show
from corral.cluster.controllers.job.situation import FINALIZER, Situation, tracked
from corral.cluster.controllers.job.tracking import plan_finish, plan_tracking, settled
from corral.cluster.controllers.statefulset.ordering import Create, Wanted
from corral.cluster.controllers.statefulset.ordering import plan_pods as plan_stateful
from corral.model.kubernetes.kinds.batch.cron import parse

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Object = dict[str, Any]
amounts = st.one_of(st.integers(0, 6), st.integers(0, 100).map(lambda n: f"{n}%"))


# ------------------------------------------------------------------------------------------------- rolling updates


@dataclass
class Fleet:
    """ReplicaSets whose pods follow their size at once; only readiness takes its time."""

    sizes: dict[str, Size] = field(default_factory=dict)

    def scale(self, name: str, replicas: int) -> None:
        one = self.sizes[name]
        self.sizes[name] = one._replace(replicas=replicas, available=min(one.available, replicas))

    @property
    def total(self) -> int:
        return sum(one.replicas for one in self.sizes.values())

    @property
    def available(self) -> int:
        return sum(one.available for one in self.sizes.values())

    def old(self) -> list[Size]:
        return [one for name, one in self.sizes.items() if name != "new"]


@given(st.data(), st.integers(1, 12), amounts, amounts)
def test_a_rollout_keeps_its_bounds_and_ends(data: st.DataObject, wanted: int, surge: Any, unavailable: Any) -> None:
    bounds = fenceposts(surge, unavailable, wanted)
    fleet = Fleet({"new": Size("new", 0), "old": Size("old", wanted, wanted)})
    least = wanted - min(bounds.unavailable, wanted)
    for _ in range(200):
        before, ready = dict(fleet.sizes), fleet.available
        for one in plan_rolling(wanted, bounds, fleet.sizes["new"], fleet.old()):
            fleet.scale(one.name, one.replicas)
        assert fleet.total <= wanted + bounds.surge
        assert fleet.available >= min(ready, least)  # never less by our own action
        if fleet.sizes["new"] == Size("new", wanted, wanted) and fleet.total == wanted:
            return
        new = fleet.sizes["new"]
        waiting = new.replicas - new.available
        # Some pods get ready: at least one when nothing else moves.
        quiet = before == fleet.sizes
        assert not quiet or waiting > 0, "nothing moves and nothing is awaited"
        more = data.draw(st.integers(1 if quiet else 0, waiting)) if waiting else 0
        fleet.sizes["new"] = new._replace(available=new.available + more)
    raise AssertionError("the rollout does not end")


@dataclass
class Lagging:
    """Versions that follow each other; each ReplicaSet's controller does what is written when its turn comes."""

    sets: dict[str, int] = field(default_factory=dict)
    pods: dict[str, list[Object]] = field(default_factory=dict)

    def add(self, replicas: int, ready: int) -> None:
        name = f"v{len(self.sets)}"
        self.sets[name], self.pods[name] = replicas, [rolled_pod(at < ready) for at in range(replicas)]

    def roll(self, wanted: int, bounds: Bounds) -> None:
        sizes = [
            size_of({"metadata": {"name": name, "creationTimestamp": name}, "spec": {"replicas": size}}, pods, NOW)
            for (name, size), pods in zip(self.sets.items(), self.pods.values(), strict=True)
        ]
        for one in plan_rolling(wanted, bounds, sizes[-1], sizes[:-1]):
            self.sets[one.name] = one.replicas

    def follow(self, name: str) -> None:
        """As upstream's ReplicaSets do: pods that are not ready go first."""
        pods, size = self.pods[name], self.sets[name]
        ordered = sorted(pods, key=is_ready, reverse=True)
        self.pods[name] = ordered[:size] + [rolled_pod(False) for _ in range(size - len(pods))]

    @property
    def available(self) -> int:
        return sum(is_ready(pod) for pods in self.pods.values() for pod in pods)


def rolled_pod(ready: bool) -> Object:
    return {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


@settings(max_examples=500)
@given(st.data(), st.integers(1, 6), amounts, amounts)
def test_versions_that_follow_each_other_quickly_keep_the_bounds(
    data: st.DataObject, wanted: int, surge: Any, unavailable: Any
) -> None:
    bounds = fenceposts(surge, unavailable, wanted)
    fleet = Lagging()
    fleet.add(wanted, wanted)
    for turn in data.draw(st.lists(st.sampled_from(("version", "roll", "follow", "follow", "ready")), max_size=40)):
        if turn == "version":
            fleet.add(0, 0)
        elif turn == "roll":
            fleet.roll(wanted, bounds)
        elif turn == "follow":
            fleet.follow(data.draw(st.sampled_from(sorted(fleet.sets))))
        elif starting := [pod for pods in fleet.pods.values() for pod in pods if not is_ready(pod)]:
            data.draw(st.sampled_from(starting))["status"]["conditions"][0]["status"] = "True"
        assert fleet.available >= wanted - min(bounds.unavailable, wanted)
        assert sum(fleet.sets.values()) <= wanted + bounds.surge


@given(st.data(), st.integers(1, 12), amounts, amounts)
def test_pods_that_are_down_are_replaced_first(data: st.DataObject, wanted: int, surge: Any, unavailable: Any) -> None:
    """Old pods may be broken from the start: still no available one goes below the bound."""
    bounds = fenceposts(surge, unavailable, wanted)
    up = data.draw(st.integers(0, wanted))
    fleet = Fleet({"new": Size("new", 0), "old": Size("old", wanted, up)})
    for one in plan_rolling(wanted, bounds, fleet.sizes["new"], fleet.old()):
        size = fleet.sizes[one.name]
        # Upstream's ReplicaSets delete pods that are not ready first.
        lost = max(0, (size.replicas - one.replicas) - (size.replicas - size.available))
        fleet.sizes[one.name] = size._replace(replicas=one.replicas, available=size.available - lost)
    assert fleet.available >= min(up, wanted - min(bounds.unavailable, wanted))
    assert fleet.total <= wanted + bounds.surge


@given(st.integers(0, 40), amounts, st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_scaling_shares_what_there_is(wanted: int, surge: Any, sizes: list[int]) -> None:
    bounds = fenceposts(surge, 1, wanted)
    all_sets = [Size(f"s{n}", size, 0, f"t{n}", max(1, sum(sizes))) for n, size in enumerate(sizes)]
    plan = plan_scaling(wanted, bounds, all_sets[-1], all_sets[:-1])
    after = {one.name: one.replicas for one in all_sets} | {one.name: one.replicas for one in plan}
    assert all(size >= 0 for size in after.values())
    assert sum(after.values()) <= max(wanted + bounds.surge, 0) or wanted == 0
    if len([size for size in sizes if size]) > 1 and wanted:
        assert sum(after.values()) == wanted + bounds.surge


@given(st.integers(0, 5000))
def test_batches_add_up(total: int) -> None:
    assert sum(batches(total)) == total


# ------------------------------------------------------------------------------------------------- StatefulSets


def stateful_pod(ordinal: int, revision: str, ready: bool) -> Object:
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    metadata = {"name": f"db-{ordinal}", "labels": {"controller-revision-hash": revision}}
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions}}


@given(st.data(), st.integers(1, 6), st.integers(0, 8), st.integers(0, 6), st.integers(1, 3), st.booleans())
def test_a_stateful_set_keeps_its_order_and_ends(
    data: st.DataObject, wanted: int, had: int, partition: int, most: int, ordered: bool
) -> None:
    spec = Wanted(0, wanted, ordered, 0, True, partition, most, "a", "b")
    pods = {at: stateful_pod(at, "a", True) for at in range(had)}
    for _ in range(200):
        inside = {at: pod for at, pod in pods.items() if at < wanted}
        condemned = [pods[at] for at in sorted(pods, reverse=True) if at >= wanted]
        plan = plan_stateful(spec, inside, condemned, NOW)
        sick = {at for at, pod in inside.items() if pod["status"]["conditions"][0]["status"] != "True"}
        if not plan.actions and not sick:
            break
        if ordered and plan.actions:
            made = [one.ordinal for one in plan.actions if isinstance(one, Create)]
            assert len(made) <= 1
            assert all(at in pods and at not in sick for one in made for at in range(one))
        down = 0
        for action in plan.actions:
            if isinstance(action, Create):
                assert action.revision == ("a" if action.ordinal < partition else "b")
                pods[action.ordinal] = stateful_pod(action.ordinal, action.revision, False)
            else:
                at = int(meta.name(action.pod).removeprefix("db-"))
                down += at < wanted and at not in sick
                del pods[at]
        assert down <= most
        waiting = [at for at, pod in pods.items() if pod["status"]["conditions"][0]["status"] != "True"]
        ready = waiting if not plan.actions else data.draw(st.lists(st.sampled_from(waiting))) if waiting else []
        for at in ready:
            pods[at]["status"]["conditions"][0]["status"] = "True"
    assert sorted(pods) == list(range(wanted))
    new = {at for at, pod in pods.items() if pod["metadata"]["labels"]["controller-revision-hash"] == "b"}
    assert new >= {at for at in pods if at >= partition}


# ------------------------------------------------------------------------------------------------- Jobs


@given(st.sets(st.integers(0, 60)))
def test_indexes_come_back(indexes: set[int]) -> None:
    assert parse_indexes(show(indexes), 61) == indexes


@given(st.data(), st.integers(1, 8), st.integers(1, 4), st.booleans(), st.integers(0, 4))
def test_a_job_counts_each_pod_once(
    data: st.DataObject, completions: int, parallelism: int, indexed: bool, limit: int
) -> None:
    """Pods end as chance wills, and the controller is killed between its writes as chance wills."""
    spec: Object = {
        "completions": completions,
        "parallelism": parallelism,
        "backoffLimit": limit,
        "completionMode": "Indexed" if indexed else "NonIndexed",
        "template": {"spec": {"restartPolicy": "Never"}},
    }
    job: Object = {
        "metadata": {"name": "sum", "uid": "j"},
        "spec": spec,
        "status": {"startTime": "2026-01-02T00:00:00Z"},
    }
    pods: list[Object] = []
    for turn in range(300):
        at = Situation(job, list(pods), NOW)
        end = end_of(at)
        active = len(at.active)
        if end is not None:
            for pod in at.active:
                pod["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
            active = 0
        else:
            plan = plan_pods(at, Record())
            assert len(at.active) + len(plan.create) - len(plan.delete) <= parallelism
            for index in plan.create:
                pods.append(_job_pod(len(pods), index))
            active += len(plan.create)
            if is_complete(at, active):
                end = {"type": "SuccessCriteriaMet", "status": "True"}
        tracking = plan_tracking(at, dict(job["status"]), end)
        job["status"] = tracking.status
        calm = turn > 30  # from here on nobody is killed and all goes well
        if calm or not data.draw(st.booleans()):
            for pod in tracking.release:
                pod["metadata"]["finalizers"] = []
            if calm or not data.draw(st.booleans()):
                status = settled(job["status"], {meta.uid(pod) for pod in pods if tracked(pod)})
                final = plan_finish(at, status, end, 0)
                job["status"] = final or status
                if final is not None:
                    break
        for pod in pods:
            if pod["status"]["phase"] == "Running" and (calm or data.draw(st.booleans())):
                pod["status"]["phase"] = "Succeeded" if calm or data.draw(st.integers(0, 2)) else "Failed"
    else:
        raise AssertionError("the Job does not end")
    ended = [pod["status"]["phase"] for pod in pods]
    status = job["status"]
    complete = any(one["type"] == "Complete" for one in status["conditions"])
    if complete:
        assert status["succeeded"] == completions
        assert status.get("failed", 0) == ended.count("Failed") <= limit
    else:
        # What ran when the Job failed counts as failed, however it ended then.
        assert status.get("succeeded", 0) + status["failed"] == len(pods)
        assert status.get("succeeded", 0) <= min(completions, ended.count("Succeeded"))
        assert status["failed"] > limit


def _job_pod(number: int, index: int | None) -> Object:
    notes = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    metadata = {"name": f"p{number:03}", "uid": f"u{number}", "finalizers": [FINALIZER], "annotations": notes}
    return {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}}


# ------------------------------------------------------------------------------------------------- schedules

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"]
fields = st.tuples(
    st.sampled_from(["*", "0", "30", "*/7", "15-45/10", "59"]),
    st.sampled_from(["*", "0", "2", "*/5", "1-3", "23"]),
    st.sampled_from(["*", "1", "29-31", "*/2"]),
    st.sampled_from(["*", "3", "10", "3,10,11"]),
    st.sampled_from(["*", "0", "mon-fri", "sun"]),
).map(" ".join)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)).map(lambda one: one.replace(tzinfo=UTC))


def strikes(text: str, moment: datetime, zone: ZoneInfo) -> bool:
    schedule, local = parse(text), moment.astimezone(zone)
    return local.hour in schedule.hours and local.minute in schedule.minutes and matches_day(schedule, local.date())


@given(fields, moments, st.sampled_from(ZONES).map(ZoneInfo))
def test_the_next_time_is_the_first_minute_that_matches(text: str, after: datetime, zone: ZoneInfo) -> None:
    found = next_time(parse(text), after, zone)
    assert found is None or (found > after and strikes(text, found, zone))
    minute = after.replace(second=0, microsecond=0)
    for _ in range(600):
        minute += timedelta(minutes=1)
        if strikes(text, minute, zone):
            assert found == minute
            return
    assert found is None or found > minute


@given(fields, moments, st.sampled_from(ZONES).map(ZoneInfo), st.integers(0, 200_000))
def test_the_last_time_is_the_last_of_all_next_ones(text: str, after: datetime, zone: ZoneInfo, minutes: int) -> None:
    schedule, now = parse(text), after + timedelta(minutes=minutes)
    found = last_time(schedule, after, now, zone)
    if found is None:
        following = next_time(schedule, after, zone)
        assert following is None or following > now
    else:
        assert after < found <= now and strikes(text, found, zone)
        following = next_time(schedule, found, zone)
        assert following is None or following > now
