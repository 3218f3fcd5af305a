from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds import KINDS
from tests.support.kinds import added, changed, defaulted, edited, judged, row, status_judged

POD = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "busybox:1"}]}
JOB: dict[str, Any] = {
    "metadata": {"name": "pi", "namespace": "default", "uid": "1-2", "creationTimestamp": "2026-01-02T03:00:00Z"},
    "spec": {"template": {"spec": POD}},
}


def created(**changes: Any) -> dict[str, Any]:
    found = defaulted("batch", "Job", edited(JOB, **changes))
    KINDS["batch", "Job"].prepare_create(found)
    return found


def test_defaults() -> None:
    found = added("batch", "Job", JOB)
    assert found["spec"].pop("template").keys() == {"spec"}
    assert found == {
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "suspend": False,
            "podReplacementPolicy": "TerminatingOrFailed",
            "manualSelector": False,
        },
        "status": {},
    }
    per_index = edited(JOB, spec__backoffLimitPerIndex=1, spec__parallelism=2)
    assert added("batch", "Job", per_index)["spec"]["backoffLimit"] == 2147483647
    assert "completions" not in added("batch", "Job", per_index)["spec"]


def test_its_pods_are_found_by_its_uid() -> None:
    found = created()
    assert found["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "1-2"}}
    assert found["spec"]["template"]["metadata"]["labels"] == {
        "controller-uid": "1-2",
        "job-name": "pi",
        "batch.kubernetes.io/controller-uid": "1-2",
        "batch.kubernetes.io/job-name": "pi",
    }
    assert judged("batch", "Job", found) == []


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"spec__template__spec__restartPolicy": "Always"},
            ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        ),
        ({"spec__completions": -1}, ["spec.completions: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"spec__completionMode": "Indexed", "spec__parallelism": 1},
            ["spec.completions: Required value: when completion mode is Indexed"],
        ),
        (
            {"spec__backoffLimitPerIndex": 1},
            ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
        ),
        (
            {"spec__podFailurePolicy": {"rules": [{"action": "FailJob"}]}},
            [
                "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is "
                "required"
            ],
        ),
        (
            {
                "spec__podFailurePolicy": {
                    "rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [3, 0, 3]}}]
                }
            },
            [
                "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In "
                "operator",
                "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3",
                "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0,3]: must be ordered",
            ],
        ),
        (
            {"spec__successPolicy": {"rules": []}},
            ['spec.successPolicy: Invalid value: {"rules":[]}: requires indexed completion mode'],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("batch", "Job", created(**changes)) == texts


def test_changes() -> None:
    stored = created()
    assert changed("batch", "Job", stored, spec__parallelism=5, spec__suspend=True) == []
    assert changed("batch", "Job", stored, spec__completions=2) == [
        "spec.completions: Invalid value: 2: field is immutable"
    ]
    [text] = changed("batch", "Job", stored, spec__template__spec__containers__0__image="b")
    assert text.startswith("spec.template: Invalid value: {") and text.endswith("field is immutable")
    waiting = created(spec__suspend=True)
    assert changed("batch", "Job", waiting, spec__template__spec__nodeSelector={"a": "b"}) == []
    assert changed("batch", "Job", stored, spec__template__spec__nodeSelector={"a": "b"}) != []


def test_what_a_suspended_job_asks_for_may_change() -> None:
    path = "spec__template__spec__containers__0__resources"
    more = {path: {"requests": {"cpu": "2"}}}
    assert changed("batch", "Job", created(spec__suspend=True), **more) == []
    assert changed("batch", "Job", created(), **more) != []
    stopped = {"startTime": "2026-01-02T03:00:00Z", "conditions": [{"type": "Suspended", "status": "True"}]}
    assert changed("batch", "Job", edited(created(spec__suspend=True), status=stopped), **more) == []
    ending = {**stopped, "active": 1}
    assert changed("batch", "Job", edited(created(spec__suspend=True), status=ending), **more) != []
    image = {"spec__template__spec__containers__0__image": "other"}
    assert changed("batch", "Job", created(spec__suspend=True), **more, **image) != []


def test_status_and_columns() -> None:
    assert status_judged("batch", "Job", JOB, {"active": -1}) == [
        "status.active: Invalid value: -1: must be greater than or equal to 0"
    ]
    done = {
        "startTime": "2026-01-02T03:00:00Z",
        "completionTime": "2026-01-02T03:00:30Z",
        "succeeded": 1,
        "conditions": [{"type": "Complete", "status": "True"}],
    }
    assert row("batch", "Job", edited(created(), status=done), wide=True) == {
        "Status": "Complete",
        "Completions": "1/1",
        "Duration": "30s",
        "Age": "4m5s",
        "Containers": "a",
        "Images": "busybox:1",
        "Selector": "batch.kubernetes.io/controller-uid=1-2",
    }
