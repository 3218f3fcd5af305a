"""The whole status of a pod."""

from __future__ import annotations

from corral.cluster.kubelet.lifecycle.view import View, Waiting
from corral.cluster.kubelet.status.facts import Facts
from corral.cluster.kubelet.status.pod import plan_status
from tests.support.kubelet_pods import Object, pod, ran, runs

NOW = 1_700_000_000 * 10**9


def conditions(status: Object) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one.get("reason", "")) for one in status["conditions"]}


def test_a_running_pod() -> None:
    view = View(NOW, "s", {"a": [runs("a")]}, started=frozenset({"a0"}))
    status = plan_status(pod(), Facts(view, ready=frozenset({"a0"}), ips=("10.0.0.2", "fd::2"), host_ips=("1.2.3.4",)))
    assert status["phase"] == "Running" and status["podIP"] == "10.0.0.2"
    assert status["podIPs"] == [{"ip": "10.0.0.2"}, {"ip": "fd::2"}] and status["hostIPs"] == [{"ip": "1.2.3.4"}]
    assert all(value == ("True", "") for value in conditions(status).values())
    assert status["startTime"] == "2023-11-14T22:13:20Z"


def test_what_others_have_set_stays() -> None:
    mine = pod()
    gate = {"type": "x.org/up", "status": "False"}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "t0"}
    mine["status"] = {"conditions": [gate, scheduled], "qosClass": "Burstable", "nominatedNodeName": "n"}
    status = plan_status(mine, Facts(View(NOW)))
    assert gate in status["conditions"] and scheduled in status["conditions"]
    assert status["qosClass"] == "Burstable" and status["nominatedNodeName"] == "n"
    assert plan_status({**mine, "status": status}, Facts(View(NOW + 5 * 10**9))) == status


def test_a_crash_that_is_waited_out() -> None:
    view = View(NOW, "s", {"a": [ran("a", 1), ran("a", 2, 1)]})
    why = Waiting("CrashLoopBackOff", "back-off")
    status = plan_status(pod(), Facts(view, waiting={"a": why}))
    shown = status["containerStatuses"][0]
    assert shown["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    assert shown["lastState"]["terminated"]["exitCode"] == 2 and shown["restartCount"] == 1
    assert status["phase"] == "Running" and conditions(status)["Ready"] == ("False", "ContainersNotReady")


def test_an_end_is_final() -> None:
    view = View(NOW, "s", {"a": [ran("a")]})
    mine = pod(policy="Never")
    assert plan_status(mine, Facts(view))["phase"] == "Running"  # a sidecar may still run
    status = plan_status(mine, Facts(view, over=True))
    assert status["phase"] == "Succeeded" and conditions(status)["ContainersReady"] == ("False", "PodCompleted")
    again = plan_status({**mine, "status": status}, Facts(View(NOW, "s", {"a": [ran("a", 1)]}), over=True))
    assert again["phase"] == "Succeeded"


def test_a_rejected_pod_shows_no_containers() -> None:
    failure = Waiting("SysctlForbidden", "Pod was rejected: no")
    status = plan_status(pod(), Facts(View(NOW), over=True, failure=failure))
    assert (status["phase"], status["reason"], status["message"]) == (
        "Failed",
        "SysctlForbidden",
        "Pod was rejected: no",
    )
    assert "containerStatuses" not in status


def test_who_waits_for_init_containers() -> None:
    view = View(NOW, "s", {"i": [runs("i")]})
    status = plan_status(pod(inits=({"name": "i"},)), Facts(view))
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert conditions(status)["Initialized"] == ("False", "ContainersNotInitialized")
    assert not status["initContainerStatuses"][0]["ready"]


def test_generations_are_noted() -> None:
    mine = pod()
    mine["metadata"]["generation"] = 3
    status = plan_status(mine, Facts(View(NOW)))
    assert status["observedGeneration"] == 3 and status["conditions"][0]["observedGeneration"] == 3


def test_what_was_taken_away_keeps_its_last_word() -> None:
    """Of a pod that is over, also while it is being deleted; and what was never let in has nothing to say."""
    why = Waiting("Evicted", "The node was low on resource: memory. ")
    mine = pod({"name": "a"}, {"name": "b"})
    ended = Facts(View(NOW, "s", {"a": [ran("a", 1)], "b": [ran("b", 0)]}), over=True, failure=why)
    mine["status"] = plan_status(mine, ended)
    for failure in (why, None):
        assert plan_status(mine, Facts(View(NOW), over=True, failure=failure)) == mine["status"] | _no_space(mine)
        partly = plan_status(mine, Facts(View(NOW, "", {"b": [ran("b", 0)]}), over=True, failure=failure))
        assert partly["containerStatuses"] == mine["status"]["containerStatuses"]
    refused = pod()
    refused["status"] = plan_status(refused, Facts(View(NOW), over=True, failure=Waiting("OutOfcpu", "no")))
    assert "containerStatuses" not in plan_status(refused, Facts(View(NOW), over=True))


def _no_space(mine: Object) -> Object:
    return {"conditions": plan_status(mine, Facts(View(NOW), over=True))["conditions"]}
