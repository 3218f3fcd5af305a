"""Who gets a name, and what the status says about it."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.extensions.naming import plan_names, plan_status

NAMES = {"plural": "cows", "singular": "cow", "kind": "Cow", "listKind": "CowList", "shortNames": ["moo"]}


def wanted(**names: Any) -> dict[str, Any]:
    return {"spec": {"names": {**NAMES, **names}}, "status": {}}


@pytest.mark.parametrize(
    ("taken", "reason"),
    [
        ({"plural": "cows"}, "PluralConflict"),
        ({"plural": "cow"}, "SingularConflict"),
        ({"shortNames": ["moo"]}, "ShortNamesConflict"),
        ({"kind": "Cow"}, "KindConflict"),
        ({"kind": "CowList"}, "ListKindConflict"),
        ({"kind": "cows"}, ""),
    ],
)
def test_conflicts(taken: dict[str, Any], reason: str) -> None:
    assert plan_names(wanted(), [{"status": {"acceptedNames": taken}}]).reason == reason


def test_a_lasting_condition_keeps_its_time() -> None:
    first = plan_status(wanted(), [], "t1")
    again = plan_status({**wanted(), "status": first}, [], "t2")
    assert again == first and [one["status"] for one in first["conditions"]] == ["True", "True"]


def test_what_is_established_stays_so() -> None:
    first = plan_status(wanted(), [], "t1")
    later = plan_status({**wanted(kind="Ox"), "status": first}, [{"status": {"acceptedNames": {"kind": "Ox"}}}], "t2")
    found = {one["type"]: one["status"] for one in later["conditions"]}
    assert found == {"NamesAccepted": "False", "Established": "True"} and later["acceptedNames"]["kind"] == "Cow"
