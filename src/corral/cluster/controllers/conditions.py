"""Conditions of a status: lists of {type, status, reason, message, …}, one of each type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Condition = dict[str, Any]


def find(conditions: Iterable[Condition] | None, kind: str) -> Condition | None:
    return next((one for one in conditions or () if one["type"] == kind), None)


def is_true(conditions: Iterable[Condition] | None, kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found["status"] == "True"


def put(conditions: Iterable[Condition] | None, wanted: Condition, moment: str) -> list[Condition]:
    """Pure: the conditions with this one in them; its lastTransitionTime moves only when its status does.

    >>> before = [{"type": "Ready", "status": "True", "lastTransitionTime": "then"}]
    >>> put(before, {"type": "Ready", "status": "True", "reason": "new"}, "now")
    [{'lastTransitionTime': 'then', 'type': 'Ready', 'status': 'True', 'reason': 'new'}]
    >>> put([], {"type": "Ready", "status": "True"}, "now")
    [{'lastTransitionTime': 'now', 'type': 'Ready', 'status': 'True'}]
    """
    found = list(conditions or ())
    for index, one in enumerate(found):
        if one["type"] == wanted["type"]:
            same = one["status"] == wanted["status"]
            found[index] = {"lastTransitionTime": one.get("lastTransitionTime", moment) if same else moment, **wanted}
            return found
    return [*found, {"lastTransitionTime": moment, **wanted}]


def without(conditions: Iterable[Condition] | None, kinds: Iterable[str]) -> list[Condition]:
    gone = set(kinds)
    return [one for one in conditions or () if one["type"] not in gone]


def pod_ready(pod: Mapping[str, Any]) -> bool:
    return is_true((pod.get("status") or {}).get("conditions"), "Ready")
