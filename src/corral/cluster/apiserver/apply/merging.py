"""An applied object, merged into the live one: nothing is removed, and what is applied wins.

Follows sigs.k8s.io/structured-merge-diff, typed/merge.go. Neither object is changed; the result shares their parts.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from corral.cluster.apiserver.apply.plan import ATOMIC, LIST, MAP, UNTYPED, Plan

_ABSENT: Any = object()


def merge(live: Any, applied: Any, plan: Plan) -> Any:
    """Pure: both together. The applied object has been checked; the live one may have items twice.

    >>> from corral.cluster.apiserver.apply.plan import DEDUCED
    >>> merge({"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2]}, DEDUCED)
    {'a': {'b': 1, 'd': 2}, 'c': [2]}
    """
    kind = plan.kind(applied)
    if kind == MAP and plan.map != ATOMIC:
        left, right = live if isinstance(live, dict) else {}, applied if isinstance(applied, dict) else {}
        return _maps(left, right, plan) if left or right else applied
    if kind == LIST and plan.list != ATOMIC:
        before, after = live if isinstance(live, list) else [], applied if isinstance(applied, list) else []
        return _lists(before, after, plan) if before or after else applied
    return applied


def _maps(live: dict[str, Any], applied: dict[str, Any], plan: Plan) -> dict[str, Any]:
    found = dict(live)
    for key, value in applied.items():
        old = live.get(key, _ABSENT)
        found[key] = value if old is _ABSENT else merge(old, value, plan.field(key))
    return found


def _lists(live: list[Any], applied: list[Any], plan: Plan) -> list[Any]:
    """The applied items in their order; live ones that are not applied stay next to their neighbours.

    An item that is live more than once is not merged but replaced: nobody could tell which one is meant.
    """
    item = plan.item or UNTYPED
    lefts, rights = [plan.element(one) for one in live], [plan.element(one) for one in applied]
    times = Counter(lefts)
    old, new = dict(zip(lefts, live, strict=True)), dict(zip(rights, applied, strict=True))

    def taken(key: str) -> Any:
        return merge(old[key], new[key], item) if times[key] == 1 else new[key]

    found = []
    shared = deque(key for key in rights if key in old)
    done: set[str] = set()
    left = right = 0
    while left < len(lefts) or right < len(rights):
        if left < len(lefts):
            key = lefts[left]
            if right < len(rights) and key == rights[right]:
                found.append(taken(key))
                done.add(key)
                shared.popleft()
                left, right = left + 1, right + 1
                continue
            if key not in new:
                found.append(live[left])
                left += 1
                continue
            if right < len(rights) and shared and shared[0] != key:
                left += 1
                continue
            if key in done:
                left += 1
        if right < len(rights):
            key = rights[right]
            found.append(taken(key))
            done.add(key)
            right += 1
            if shared and shared[0] == key:
                shared.popleft()
    return found
