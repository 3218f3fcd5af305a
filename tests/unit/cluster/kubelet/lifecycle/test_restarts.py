"""Back-off, and rules of a container's own."""

from __future__ import annotations

import pytest

from corral.cluster.kubelet.lifecycle.restarts import SECOND, Backoff, next_backoff, pause, wants_restart
from corral.cluster.kubelet.pods import Member
from tests.support.kubelet_pods import ran


def test_pauses_double_up_to_five_minutes() -> None:
    known, now, delays = None, 0, []
    for _ in range(8):
        known = next_backoff(known, now)
        delays.append(known.delay)
        now += (known.delay + 1) * SECOND
    assert delays == [10, 20, 40, 80, 160, 300, 300, 300]


def test_who_ran_well_for_ten_minutes_is_not_put_off() -> None:
    known = Backoff(300, 0)
    assert pause(known, 500 * SECOND, 501 * SECOND) == 299.0
    assert pause(known, 601 * SECOND, 601 * SECOND) == 0.0


@pytest.mark.parametrize(
    ("kind", "policy", "own", "code", "expected"),
    [
        ("main", "Always", None, 0, True),
        ("main", "OnFailure", None, 0, False),
        ("main", "Never", None, 1, False),
        ("main", "Never", "OnFailure", 1, True),
        ("main", "Always", "Never", 1, False),
        ("init", "Always", None, 0, False),
        ("init", "Always", None, 1, True),
        ("init", "Never", None, 1, False),
        ("sidecar", "Never", "Always", 0, True),
        ("ephemeral", "Always", None, 1, False),
    ],
)
def test_policies(kind: str, policy: str, own: str | None, code: int, expected: bool) -> None:
    spec = {"name": "a"} | ({"restartPolicy": own} if own else {})
    assert wants_restart(Member(kind, spec), policy, ran("a", code)) is expected


def test_rules_of_exit_codes() -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [1, 2]}}
    one = Member("main", {"name": "a", "restartPolicy": "Never", "restartPolicyRules": [rule]})
    assert not wants_restart(one, "Never", ran("a", 2)) and wants_restart(one, "Never", ran("a", 3))
