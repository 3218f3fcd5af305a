"""Which other pod's change wakes a pod that its rules about others keep waiting."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.scheduler.moves import POD_ASSIGNED, POD_DELETED, POD_LABELS
from corral.cluster.scheduler.neighbours import may_help
from tests.support.scheduling import pod

AFFINITY, SPREAD = "InterPodAffinity", "PodTopologySpread"
WEB, OTHER = pod("web", {"app": "web"}, on="a"), pod("other", {"app": "other"}, on="a")
FAR = pod("far", {"app": "web"}, on="a", namespace="elsewhere")


def term(app: str = "web") -> dict[str, Any]:
    return {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": app}}}


def affinity(kind: str, *terms: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


NEAR = pod("near", affinity=affinity("podAffinity", term()))
BOTH = pod("both", affinity=affinity("podAffinity", term(), term("other")))
APART = pod("apart", affinity=affinity("podAntiAffinity", term()))
SPREADS = pod("spreads", topologySpreadConstraints=[{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **term()}])
LONELY = pod("lonely", {"app": "other"}, on="a", affinity=affinity("podAntiAffinity", term()))


def helps(waiting: Any, change: str, old: Any, new: Any, plugin: str = AFFINITY) -> bool:
    return may_help(change, old, new, lambda name: {}, plugin, waiting)


@pytest.mark.parametrize(
    ("waiting", "helpful", "useless"), [(NEAR, WEB, OTHER), (NEAR, WEB, FAR), (BOTH, None, WEB), (APART, None, WEB)]
)
def test_who_comes_helps_whoever_wants_to_be_near(waiting: Any, helpful: Any, useless: Any) -> None:
    assert helpful is None or helps(waiting, POD_ASSIGNED, None, helpful)
    assert not helps(waiting, POD_ASSIGNED, None, useless)


def test_who_goes_helps_whoever_wants_to_be_apart_or_was_kept_apart() -> None:
    assert helps(APART, POD_DELETED, WEB, None) and not helps(APART, POD_DELETED, OTHER, None)
    assert helps(pod("b", {"app": "web"}), POD_DELETED, LONELY, None)
    assert not helps(pod("b", {"app": "b"}), POD_DELETED, LONELY, None)
    assert helps(NEAR, POD_DELETED, WEB, None)  # the last of a group: its next may go anywhere


def test_new_labels_help_where_they_make_a_difference() -> None:
    changed = pod("web", {"app": "web", "x": "y"}, on="a")
    for waiting in (NEAR, APART):
        assert helps(waiting, POD_LABELS, WEB, OTHER) and helps(waiting, POD_LABELS, OTHER, WEB)
        assert not helps(waiting, POD_LABELS, WEB, changed)


def test_spreading_counts_who_is_meant() -> None:
    for old, new, change in ((None, WEB, POD_ASSIGNED), (WEB, None, POD_DELETED), (WEB, OTHER, POD_LABELS)):
        assert helps(SPREADS, change, old, new, SPREAD)
    assert not helps(SPREADS, POD_ASSIGNED, None, OTHER, SPREAD) and not helps(SPREADS, POD_DELETED, FAR, None, SPREAD)
    assert helps(pod("by-default"), POD_ASSIGNED, None, OTHER, SPREAD)  # constraints of the configuration


def test_other_plugins_are_not_asked_about_rules() -> None:
    assert helps(NEAR, POD_DELETED, OTHER, None, "NodeResourcesFit")
