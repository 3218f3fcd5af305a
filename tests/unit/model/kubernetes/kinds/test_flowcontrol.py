from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, edited, judged, row

GROUP = "flowcontrol.apiserver.k8s.io"
RULE = {
    "subjects": [{"kind": "Group", "group": {"name": "all"}}],
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}],
}
SCHEMA: dict[str, Any] = {
    "metadata": {"name": "mine"},
    "spec": {"priorityLevelConfiguration": {"name": "low"}, "rules": [RULE]},
}
LEVEL: dict[str, Any] = {
    "metadata": {"name": "low"},
    "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}},
}


def test_defaults_and_columns() -> None:
    assert added(GROUP, "FlowSchema", SCHEMA) == {"spec": {"matchingPrecedence": 1000}, "status": {}}
    assert added(GROUP, "PriorityLevelConfiguration", LEVEL)["spec"]["limited"] == {
        "limitResponse": {"queuing": {"queues": 64, "handSize": 8, "queueLengthLimit": 50}},
        "nominalConcurrencyShares": 30,
        "lendablePercent": 0,
    }
    assert judged(GROUP, "PriorityLevelConfiguration", LEVEL) == []
    assert row(GROUP, "FlowSchema", SCHEMA) == {
        "PriorityLevel": "low",
        "MatchingPrecedence": 0,
        "DistinguisherMethod": "<none>",
        "Age": "<unknown>",
        "MissingPL": "?",
    }
    assert row(GROUP, "PriorityLevelConfiguration", {"spec": {"type": "Exempt"}})["Queues"] == "<none>"


@pytest.mark.parametrize(
    ("kind", "obj", "texts"),
    [
        ("FlowSchema", SCHEMA, []),
        (
            "FlowSchema",
            edited(SCHEMA, spec__matchingPrecedence=1, spec__rules=[{}]),
            [
                "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have "
                "matchingPrecedence 1",
                "spec.rules[0].subjects: Required value: subjects must contain at least one value",
                "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
            ],
        ),
        (
            "FlowSchema",
            edited(SCHEMA, spec__rules__0__resourceRules__0__verbs=["*", "get"]),
            [
                'spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if \'*\' is present, '
                "must not specify "
                "other verbs"
            ],
        ),
        (
            "PriorityLevelConfiguration",
            edited(LEVEL, spec__limited__limitResponse={"type": "Reject", "queuing": {}}),
            ["spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited"],
        ),
        (
            "PriorityLevelConfiguration",
            edited(LEVEL, spec__limited__limitResponse__queuing={"queues": 4, "handSize": 8}),
            ["spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)"],
        ),
    ],
)
def test_rules(kind: str, obj: dict[str, Any], texts: list[str]) -> None:
    assert judged(GROUP, kind, obj) == texts
