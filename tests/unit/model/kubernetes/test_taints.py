"""Taints: what tolerates them, and for how long."""

from __future__ import annotations

import pytest

from corral.model.kubernetes.taints import (
    NO_EXECUTE,
    Taint,
    Toleration,
    first_untolerated,
    seconds_tolerated,
    taints_of,
    tolerates,
    tolerations_of,
)

GPU = Taint("gpu", "4", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "gpu", "value": "4"}, True),
        ({"key": "gpu", "value": "4", "effect": "NoSchedule"}, True),
        ({"key": "gpu"}, False),
        ({"key": "cpu", "value": "4"}, False),
        ({"key": "gpu", "operator": "Gt", "value": "3"}, True),
        ({"key": "gpu", "operator": "Gt", "value": "4"}, False),
        ({"key": "gpu", "operator": "Lt", "value": "5"}, True),
        ({"key": "gpu", "operator": "Lt", "value": "many"}, False),
        ({"key": "gpu", "operator": "Like", "value": "4"}, False),
    ],
)
def test_one_toleration(toleration: dict[str, str], covers: bool) -> None:
    (found,) = tolerations_of({"tolerations": [toleration]})
    assert tolerates(found, GPU) is covers


def test_the_first_that_keeps_a_pod_away() -> None:
    node = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "NoExecute"}]}}
    first, second = taints_of(node)
    assert first_untolerated((first, second), ()) == first
    assert first_untolerated((first, second), (), (NO_EXECUTE,)) == second
    assert first_untolerated((first, second), (Toleration("a", "Exists"),)) == second
    assert first_untolerated((first, second), (Toleration(operator="Exists"),)) is None


def test_the_shortest_time_counts() -> None:
    lost = Taint("lost", "", NO_EXECUTE)
    long, short = Toleration("lost", "Exists", seconds=300), Toleration("lost", "Exists", seconds=-5)
    assert seconds_tolerated([lost], [long]) == 300
    assert seconds_tolerated([lost], [long, short]) == 0
    assert seconds_tolerated([lost], [long, Toleration("lost", "Exists")]) == 300
    assert seconds_tolerated([lost], [Toleration("lost", "Exists")]) is None
    assert seconds_tolerated([lost, Taint("other", "", NO_EXECUTE)], [long]) == 0
    assert seconds_tolerated([GPU], []) is None, "it keeps pods away, but drives none out"
