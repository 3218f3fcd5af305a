from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, changed, judged, row


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ({"hard": {"pods": "10", "requests.cpu": "1"}}, []),
        ({"hard": {"count/deployments.apps": "2", "requests.example.com/gpu": "1"}}, []),
        (
            {"hard": {"apples": "1"}},
            [
                'spec.hard[apples]: Invalid value: "apples": must be a standard resource type or fully qualified',
                'spec.hard[apples]: Invalid value: "apples": must be a standard resource for quota',
            ],
        ),
        ({"hard": {"pods": "1500m"}}, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
        (
            {"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]},
            ['spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes'],
        ),
        (
            {
                "hard": {"pods": "1"},
                "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]},
            },
            [
                "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value "
                "when `operator` "
                "is 'In' or 'NotIn' for scope selector"
            ],
        ),
    ],
)
def test_rules(spec: dict[str, Any], texts: list[str]) -> None:
    assert judged("", "ResourceQuota", {"spec": spec}) == texts


def test_defaults_changes_and_columns() -> None:
    assert added("", "ResourceQuota", {"spec": {"hard": {"cpu": 1}}}) == {"spec": {"hard": {"cpu": "1"}}, "status": {}}
    old = {"spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}}
    assert changed("", "ResourceQuota", old, spec__scopes=[]) == ["spec.scopes: Invalid value: []: field is immutable"]
    status = {"hard": {"pods": "4", "limits.cpu": "2", "cpu": "1"}, "used": {"pods": "1"}}
    assert row("", "ResourceQuota", {"status": status}) == {
        "Request": "cpu: 0/1, pods: 1/4",
        "Limit": "limits.cpu: 0/2",
        "Age": "<unknown>",
    }
