from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, edited, judged, row

GROUP = "networking.k8s.io"
POLICY: dict[str, Any] = {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}


def test_defaults() -> None:
    assert added(GROUP, "NetworkPolicy", POLICY) == {"spec": {"policyTypes": ["Ingress"]}}
    both = edited(POLICY, spec__egress=[{"ports": [{"port": 53}]}])
    assert added(GROUP, "NetworkPolicy", both) == {
        "spec": {"policyTypes": ["Ingress", "Egress"], "egress": {0: {"ports": {0: {"protocol": "TCP"}}}}}
    }
    assert row(GROUP, "NetworkPolicy", POLICY) == {"Pod-Selector": "a=b", "Age": "<unknown>"}
    assert row(GROUP, "NetworkPolicy", {})["Pod-Selector"] == "<none>"


@pytest.mark.parametrize(
    ("rule", "texts"),
    [
        ({"from": [{}]}, ["spec.ingress[0].from[0]: Required value: must specify a peer"]),
        (
            {"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]},
            ["spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"],
        ),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]},
            [
                'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of '
                "`cidr`"
            ],
        ),
        (
            {"ports": [{"port": 90, "endPort": 80}]},
            ["spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`"],
        ),
    ],
)
def test_each_mistake_is_named(rule: dict[str, Any], texts: list[str]) -> None:
    assert judged(GROUP, "NetworkPolicy", edited(POLICY, spec__ingress=[rule])) == texts
