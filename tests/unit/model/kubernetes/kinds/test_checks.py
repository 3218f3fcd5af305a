from __future__ import annotations

import pytest

from corral.model.kubernetes.kinds import checks


@pytest.mark.parametrize(
    ("address", "details"),
    [
        ("10.0.0.1", []),
        ("fd00::1", []),
        ("x", ["must be a valid IP address"]),
        ("0.0.0.0", ["may not be unspecified (0.0.0.0)"]),
        ("fe80::1", ["may not be in the link-local range (169.254.0.0/16, fe80::/10)"]),
        ("224.0.0.5", ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"]),
        ("224.0.1.5", []),
    ],
)
def test_endpoint_addresses(address: str, details: list[str]) -> None:
    assert [one.detail for one in checks.endpoint_ip(address, "ip")] == details


def test_paths_stay_below() -> None:
    assert [one.detail for one in checks.local_free_path("/a/../b", "p")] == [
        "must be a relative path",
        "must not contain '..'",
    ]
    assert [one.detail for one in checks.local_free_path("..a", "p")] == ["must not start with '..'"]


def test_selectors() -> None:
    selector = {"matchExpressions": [{"key": "a", "operator": "In"}, {"key": "b", "operator": "Is"}]}
    assert [str(one) for one in checks.label_selector({"s": selector}, "s", "spec.s")] == [
        "spec.s.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        'spec.s.matchExpressions[1].operator: Invalid value: "Is": not a valid selector operator',
    ]
    assert list(checks.label_selector({}, "s", "spec.s")) == []
    assert checks.read_selector(selector) is None
