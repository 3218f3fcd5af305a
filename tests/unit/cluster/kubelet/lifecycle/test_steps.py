"""Which containers are started and ended next."""

from __future__ import annotations

from corral.cluster.kubelet.lifecycle.restarts import SECOND, Backoff
from corral.cluster.kubelet.lifecycle.steps import Steps, is_over, plan_steps
from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.naming import spec_hash
from tests.support.kubelet_pods import pod, ran, runs

SIDE = {"name": "side", "restartPolicy": "Always"}


def started(steps: Steps) -> list[tuple[str, int]]:
    return [(one.name, number) for one, number in steps.start]


def test_all_main_containers_start_together() -> None:
    assert started(plan_steps(pod({"name": "a"}, {"name": "b"}), View(0, "s"))) == [("a", 0), ("b", 0)]


def test_what_is_being_started_is_left_alone() -> None:
    assert started(plan_steps(pod({"name": "a"}), View(0, "s", busy=frozenset({"a"})))) == []


def test_init_containers_one_after_the_other() -> None:
    two = pod(inits=({"name": "i"}, {"name": "j"}))
    assert started(plan_steps(two, View(0, "s"))) == [("i", 0)]
    assert started(plan_steps(two, View(0, "s", {"i": [runs("i")]}))) == []
    assert started(plan_steps(two, View(0, "s", {"i": [ran("i")]}))) == [("j", 0)]
    assert started(plan_steps(two, View(0, "s", {"i": [ran("i")], "j": [ran("j")]}))) == [("a", 0)]


def test_a_sidecar_must_have_started() -> None:
    both = pod(inits=(SIDE, {"name": "i"}))
    view = View(0, "s", {"side": [runs("side")]})
    assert started(plan_steps(both, view)) == []
    assert started(plan_steps(both, View(0, "s", view.attempts, started=frozenset({"side0"})))) == [("i", 0)]


def test_a_sidecar_is_kept_up_beside_the_main_containers() -> None:
    view = View(0, "s", {"side": [ran("side", 1)], "a": [runs("a")]})
    assert started(plan_steps(pod(inits=(SIDE,)), view)) == [("side", 1)]


def test_the_pause_after_a_second_crash() -> None:
    view = View(12 * SECOND, "s", {"a": [ran("a", 1, 1, finished=10 * SECOND)]}, backoffs={"a": Backoff(10, SECOND)})
    steps = plan_steps(pod(), view)
    assert started(steps) == [] and steps.waits == {"a": 8.0} and steps.again == 8.0


def test_a_failed_start_is_tried_later() -> None:
    steps = plan_steps(pod(), View(SECOND, "s", failed={"a": 3 * SECOND}))
    assert started(steps) == [] and steps.again == 2.0
    assert started(plan_steps(pod(), View(4 * SECOND, "s", failed={"a": 3 * SECOND}))) == [("a", 0)]


def test_what_was_made_and_never_started_is_made_again_under_its_number() -> None:
    made = runs("a", 2)._replace(state="made")
    assert started(plan_steps(pod(), View(0, "s", {"a": [made]}))) == [("a", 2)]


def test_a_lost_space_begins_anew() -> None:
    view = View(0, "new", {"i": [ran("i", space="old")], "a": [ran("a", 137, space="old")]})
    assert started(plan_steps(pod(inits=({"name": "i"},)), view)) == [("i", 1)]


def test_an_unhealthy_or_changed_container_is_ended() -> None:
    view = View(0, "s", {"a": [runs("a")]}, unhealthy={"a0": "liveness"})
    assert plan_steps(pod(), view).kill == {"a0": "Container a failed liveness probe, will be restarted"}
    old = runs("a", hash=spec_hash({"name": "a", "image": "old"}))
    assert plan_steps(pod(), View(0, "s", {"a": [old]})).kill == {
        "a0": "Container a definition changed, will be restarted"
    }
    assert plan_steps(pod(), View(0, "s", {"a": [old]}, killing=frozenset({"a0"}))).kill == {}


def test_when_it_is_over() -> None:
    done = View(0, "s", {"a": [ran("a")]})
    assert [is_over(pod(policy=policy), done) for policy in ("Always", "OnFailure", "Never")] == [False, True, True]
    failed = View(0, "s", {"a": [ran("a", 1)]})
    assert [is_over(pod(policy=policy), failed) for policy in ("OnFailure", "Never")] == [False, True]
    assert not is_over(pod({"name": "a"}, {"name": "b"}, policy="Never"), done)
    assert not is_over(pod(policy="Never"), View(0, "s", {"a": [ran("a")]}, busy=frozenset({"a"})))


def test_ephemeral_containers_run_once() -> None:
    debug = pod(ephemeralContainers=[{"name": "d", "image": "x"}])
    view = View(0, "s", {"a": [runs("a")]})
    assert started(plan_steps(debug, view)) == [("d", 0)]
    assert started(plan_steps(debug, View(0, "s", {"a": [runs("a")], "d": [ran("d", 1)]}))) == []
