from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, judged


def limits(**limit: Any) -> dict[str, Any]:
    return {"spec": {"limits": [{"type": "Container", **limit}]}}


def test_a_containers_defaults_come_from_its_bounds() -> None:
    assert added("", "LimitRange", limits(max={"cpu": "2"}, min={"memory": "1Mi"}))["spec"]["limits"] == {
        0: {"default": {"cpu": "2"}, "defaultRequest": {"cpu": "2", "memory": "1Mi"}}
    }


@pytest.mark.parametrize(
    ("limit", "texts"),
    [
        (
            {"type": "Pod", "default": {"cpu": "1"}},
            ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
        ),
        (
            {"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}},
            ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
        ),
        (
            {"type": "PersistentVolumeClaim"},
            [
                "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but "
                "neither was provided"
            ],
        ),
        (
            {"type": "Box"},
            ['spec.limits[0].type: Invalid value: "Box": must be a standard limit type or fully qualified'],
        ),
        (
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}},
            ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
        ),
        (
            {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}},
            [
                'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than '
                "max/min = 2.000000"
            ],
        ),
    ],
)
def test_each_mistake_is_named(limit: dict[str, Any], texts: list[str]) -> None:
    assert judged("", "LimitRange", limits(**limit)) == texts
