from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, edited, judged, row
from tests.unit.model.kubernetes.kinds.batch.test_job import POD

CRON_JOB: dict[str, Any] = {
    "metadata": {"name": "nightly", "namespace": "default"},
    "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": POD}}}},
}


def test_defaults() -> None:
    found = added("batch", "CronJob", CRON_JOB)
    assert found["spec"].pop("jobTemplate")["spec"].keys() == {"template"}
    assert found == {
        "spec": {
            "concurrencyPolicy": "Allow",
            "suspend": False,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
        },
        "status": {},
    }
    assert judged("batch", "CronJob", CRON_JOB) == []


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"spec__schedule": None}, ["spec.schedule: Required value"]),
        (
            {"spec__schedule": "61 * * * *"},
            ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
        ),
        (
            {"spec__schedule": "TZ=UTC 0 3 * * *"},
            [
                'spec.schedule: Invalid value: "TZ=UTC 0 3 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone '
                "field instead"
            ],
        ),
        ({"spec__timeZone": "Nowhere"}, ['spec.timeZone: Invalid value: "Nowhere": unknown time zone Nowhere']),
        (
            {"spec__concurrencyPolicy": "X"},
            ['spec.concurrencyPolicy: Unsupported value: "X": supported values: "Allow", "Forbid", "Replace"'],
        ),
        (
            {"metadata__name": "x" * 53},
            [f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters'],
        ),
        (
            {"spec__jobTemplate__spec__manualSelector": True},
            ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'],
        ),
        (
            {"spec__jobTemplate__spec__template__spec__restartPolicy": None},
            ['spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("batch", "CronJob", edited(CRON_JOB, **changes)) == texts


def test_columns() -> None:
    found = edited(CRON_JOB, spec__suspend=False, status={"lastScheduleTime": "2026-01-02T03:00:00Z", "active": [{}]})
    assert row("batch", "CronJob", found, wide=True) == {
        "Schedule": "0 3 * * *",
        "Timezone": "<none>",
        "Suspend": "False",
        "Active": 1,
        "Last Schedule": "4m5s",
        "Age": "<unknown>",
        "Containers": "a",
        "Images": "busybox:1",
        "Selector": "<none>",
    }
