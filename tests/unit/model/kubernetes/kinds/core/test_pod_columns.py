from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import row

OLD = {"metadata": {"name": "web", "creationTimestamp": "2026-01-02T03:00:00Z"}}
SPEC = {"containers": [{"name": "a"}, {"name": "b"}]}
SIDECAR = {"name": "s", "restartPolicy": "Always"}


def shown(status: dict[str, Any], spec: dict[str, Any] = SPEC, **metadata: Any) -> tuple[Any, ...]:
    found = {"metadata": {**OLD["metadata"], **metadata}, "spec": spec, "status": status}
    return tuple(row("", "Pod", found).values())


def state(**kinds: Any) -> dict[str, Any]:
    return {"name": "a", "state": kinds}


RUNNING = {"name": "a", "ready": True, "state": {"running": {}}}
ENDED = {"terminated": {"finishedAt": "2026-01-02T03:03:05Z"}}


@pytest.mark.parametrize(
    ("status", "cells"),
    [
        ({"phase": "Pending"}, ("0/2", "Pending", "0", "4m5s")),
        ({"phase": "Running", "containerStatuses": [RUNNING, RUNNING]}, ("2/2", "Running", "0", "4m5s")),
        (
            {
                "phase": "Running",
                "containerStatuses": [state(waiting={"reason": "CrashLoopBackOff"}) | {"restartCount": 3}],
            },
            ("0/2", "CrashLoopBackOff", "3", "4m5s"),
        ),
        (
            {"phase": "Running", "containerStatuses": [RUNNING | {"restartCount": 2, "lastState": ENDED}]},
            ("1/2", "Running", "2 (60s ago)", "4m5s"),
        ),
        ({"phase": "Failed", "containerStatuses": [state(terminated={"signal": 9})]}, ("0/2", "Signal:9", "0", "4m5s")),
        (
            {"phase": "Failed", "containerStatuses": [state(terminated={"exitCode": 2})]},
            ("0/2", "ExitCode:2", "0", "4m5s"),
        ),
        (
            {"phase": "Succeeded", "containerStatuses": [state(terminated={"reason": "Completed", "exitCode": 0})]},
            ("0/2", "Completed", "0", "4m5s"),
        ),
        (
            {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [state(terminated={"reason": "Completed"}), RUNNING],
            },
            ("1/2", "Running", "0", "4m5s"),
        ),
        (
            {"phase": "Running", "containerStatuses": [state(terminated={"reason": "Completed"}), RUNNING]},
            ("1/2", "NotReady", "0", "4m5s"),
        ),
        ({"phase": "Failed", "reason": "Evicted"}, ("0/2", "Evicted", "0", "4m5s")),
        (
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            ("0/2", "SchedulingGated", "0", "4m5s"),
        ),
    ],
)
def test_the_status_in_a_word(status: dict[str, Any], cells: tuple[Any, ...]) -> None:
    assert shown(status) == cells


def init(*statuses: dict[str, Any]) -> dict[str, Any]:
    return {"phase": "Pending", "initContainerStatuses": list(statuses)}


@pytest.mark.parametrize(
    ("status", "cells"),
    [
        (init(state(running={})), ("0/3", "Init:0/2", "0", "4m5s")),
        (init(state(terminated={"exitCode": 1})), ("0/3", "Init:ExitCode:1", "0", "4m5s")),
        (init(state(terminated={"exitCode": 1, "reason": "Error"})), ("0/3", "Init:Error", "0", "4m5s")),
        (init(state(waiting={"reason": "PodInitializing"})), ("0/3", "Init:0/2", "0", "4m5s")),
        (init(state(waiting={"reason": "ImagePullBackOff"})), ("0/3", "Init:ImagePullBackOff", "0", "4m5s")),
        (
            init(
                state(terminated={"exitCode": 0}) | {"restartCount": 5},
                {"name": "s", "started": True, "ready": True, "restartCount": 1, "state": {"running": {}}},
            )
            | {"phase": "Running", "containerStatuses": [RUNNING, RUNNING]},
            ("3/3", "Running", "1", "4m5s"),
        ),
    ],
)
def test_while_it_is_initialised_and_with_sidecars(status: dict[str, Any], cells: tuple[Any, ...]) -> None:
    assert shown(status, {**SPEC, "initContainers": [{"name": "a"}, SIDECAR]}) == cells


def test_deleted() -> None:
    deleted = "2026-01-02T03:04:00Z"
    assert shown({"phase": "Running"}, deletionTimestamp=deleted)[1] == "Terminating"
    assert shown({"phase": "Succeeded"}, deletionTimestamp=deleted)[1] == "Succeeded"
    assert shown({"phase": "Running", "reason": "NodeLost"}, deletionTimestamp=deleted)[1] == "Unknown"


def test_wide() -> None:
    spec = {"containers": [], "nodeName": "n", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]}
    status = {"podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "a", "status": "True"}]}
    found = row("", "Pod", {**OLD, "spec": spec, "status": status}, wide=True)
    assert list(found.items())[4:] == [
        ("IP", "10.0.0.1"),
        ("Node", "n"),
        ("Nominated Node", "<none>"),
        ("Readiness Gates", "1/2"),
    ]
