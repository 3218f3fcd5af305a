"""In which order the items of a merged list stand. Follows k8s.io/apimachinery/pkg/util/strategicpatch.

What the patch knows stands in the patch's order, the rest in that of the live list; where the two are interleaved, an
item of the live list goes first if it stood before the patch's next item.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from corral.cluster.apiserver.patch import values
from corral.model.kubernetes import status

PATCH = "$patch"


def identity(value: Any) -> Hashable:
    """Pure: what an item is told apart by: 1, 1.0 and true are three things."""
    if isinstance(value, dict | list):
        raise status.bad_request(f"expected a string, but received a {values.go_type(value)}")
    return type(value), value


def key_of(item: Any, merge_key: str) -> Hashable:
    """Pure: what tells an item from others: the value of its merge key, or ("") itself."""
    if not merge_key:
        return identity(item)
    if not isinstance(item, dict):
        raise status.bad_request(f"expected a map[string]interface {{}}, but received a {values.go_type(item)}")
    if merge_key not in item:
        text = f"map: {values.shown(item)} does not contain declared merge key: {merge_key}"
        raise status.bad_request(text)
    return identity(item[merge_key])


def places(items: Sequence[Any], merge_key: str) -> dict[Hashable, int]:
    """Pure: where each item stands; of equal ones the first."""
    found: dict[Hashable, int] = {}
    for at, item in enumerate(items):
        found.setdefault(key_of(item, merge_key), at)
    return found


def ordered(merged: Sequence[Any], patch_order: Sequence[Any], live_order: Sequence[Any], merge_key: str) -> list[Any]:
    """Pure: the merged items, in order.

    >>> ordered(["a", "b", "c", "x"], ["x", "b"], ["a", "b", "c"], "")
    ['x', 'a', 'b', 'c']
    """
    wanted, live = places(patch_order, merge_key), places(live_order, merge_key)
    keyed = [(key_of(item, merge_key), item) for item in merged]
    ours = sorted((one for one in keyed if one[0] in wanted), key=lambda one: wanted[one[0]])
    theirs = sorted((one for one in keyed if one[0] not in wanted), key=lambda one: live.get(one[0], len(live)))
    found: list[Any] = []
    for key, item in ours:
        while theirs and key in live and live.get(theirs[0][0], len(live)) < live[key]:
            found.append(theirs.pop(0)[1])
        found.append(item)
    return found + [item for _, item in theirs]


def check(patch: Sequence[Any], order: Sequence[Any], merge_key: str) -> None:
    """Raises StatusError (400) unless the patch's items stand in the order that the patch itself asks for."""
    if not order or not patch:
        return
    items = [one for one in patch if not (isinstance(one, dict) and PATCH in one)]
    left = iter([key_of(one, merge_key) for one in order])
    if not all(key_of(one, merge_key) in left for one in items):
        text = f"The order in patch list:\n{values.shown(list(patch))}\n doesn't match $setElementOrder list:"
        raise status.bad_request(f"{text}\n{values.shown(list(order))}\n")
