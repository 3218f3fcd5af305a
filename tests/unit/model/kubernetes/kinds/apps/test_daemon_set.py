from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, changed, edited, judged, row, status_judged
from tests.unit.model.kubernetes.kinds.apps.test_deployment import DEPLOYMENT, POD_DEFAULTS


def test_defaults() -> None:
    assert added("apps", "DaemonSet", DEPLOYMENT) == {
        "spec": {
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "revisionHistoryLimit": 10,
            "template": {"spec": POD_DEFAULTS},
        },
        "status": {
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        },
    }
    assert judged("apps", "DaemonSet", DEPLOYMENT) == []


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"spec__updateStrategy": {"type": "Sometimes"}},
            ['spec.updateStrategy.type: Unsupported value: "Sometimes": supported values: "OnDelete", "RollingUpdate"'],
        ),
        (
            {"spec__updateStrategy__rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
            [
                "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is "
                "non-zero"
            ],
        ),
        (
            {"spec__updateStrategy__rollingUpdate": {"maxUnavailable": 0}},
            ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("apps", "DaemonSet", edited(DEPLOYMENT, **changes)) == texts


def test_changes_status_and_columns() -> None:
    assert changed("apps", "DaemonSet", DEPLOYMENT, spec__selector={"matchLabels": {"b": "c"}}) == [
        'spec.selector: Invalid value: {"matchLabels":{"b":"c"}}: field is immutable'
    ]
    assert status_judged("apps", "DaemonSet", DEPLOYMENT, {"numberReady": -1}) == [
        "status.numberReady: Invalid value: -1: must be greater than or equal to 0"
    ]
    found = edited(DEPLOYMENT, status={"numberReady": 1}, spec__template__spec__nodeSelector={"a": "b"})
    assert row("apps", "DaemonSet", found) == {
        "Desired": 0,
        "Current": 0,
        "Ready": 1,
        "Up-to-date": 0,
        "Available": 0,
        "Node Selector": "a=b",
        "Age": "3h4m",
    }
