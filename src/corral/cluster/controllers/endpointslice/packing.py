"""Which EndpointSlices hold which endpoints. Pure. Follows k8s.io/endpointslice/reconciler.go.

Every change of a slice goes to every node, so as few slices as possible change: what stays, stays where it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Final, NamedTuple

from corral.cluster.client.protocol import Object

LIMIT: Final = 100


class Packing(NamedTuple):
    """`create`: the endpoints of each new slice. `update`: (slice, its new endpoints). `delete`: slices."""

    create: list[list[Object]]
    update: list[tuple[Object, list[Object]]]
    delete: list[Object]
    keep: list[Object]


def identity(endpoint: Object) -> Hashable:
    """What makes an endpoint the same one when its conditions change."""
    target = endpoint.get("targetRef") or {}
    return (
        tuple(endpoint["addresses"]),
        endpoint.get("hostname", ""),
        endpoint.get("nodeName", ""),
        target.get("namespace", ""),
        target.get("name", ""),
        target.get("uid", ""),
    )


def plan_packing(existing: Sequence[Object], wanted: Iterable[Object], limit: int = LIMIT) -> Packing:
    """The slices of one Service, address family and set of ports.

    1. Endpoints that are wanted stay in their slice, brought up to date; others go. A slice with none left goes.
    2. New endpoints fill the slices that change anyhow, the fullest first.
    3. What is left fills one other slice if that can take all of it; else new ones.

    >>> a, b, c = ({"addresses": [x]} for x in "abc")
    >>> one, two = {"n": 1, "endpoints": [a]}, {"n": 2, "endpoints": [b]}
    >>> plan = plan_packing([one, two], [a, c], limit=2)
    >>> [part["n"] for part in plan.delete], [(part["n"], found) for part, found in plan.update], plan.create
    ([2], [(1, [{'addresses': ['a']}, {'addresses': ['c']}])], [])
    """
    left = {identity(one): one for one in wanted}
    changed: list[tuple[Object, list[Object]]] = []
    same: list[Object] = []
    delete: list[Object] = []
    for one in existing:
        before = list(one.get("endpoints") or ())
        kept = _take(left, before)
        if not kept or len(kept) > limit:
            delete.append(one)
            left.update((identity(endpoint), endpoint) for endpoint in kept)
        elif kept == before:
            same.append(one)
        else:
            changed.append((one, kept))
    rest = list(left.values())
    for _, endpoints in sorted(changed, key=lambda item: len(item[1]), reverse=True):
        room = limit - len(endpoints)
        endpoints.extend(rest[:room])
        rest = rest[room:]
    create = _place_rest(rest, same, changed, limit)
    return Packing(create, changed, delete, same)


def held(piece: Object) -> list[Object]:
    """The endpoints of a slice; one that has none does not say so."""
    return piece.get("endpoints") or []


def _take(left: dict[Hashable, Object], before: Iterable[Object]) -> list[Object]:
    """In place: takes from `left` what the slice already holds, and returns it as it is wanted."""
    found = (left.pop(identity(one), None) for one in before)
    return [one for one in found if one is not None]


def _place_rest(
    rest: list[Object], same: list[Object], changed: list[tuple[Object, list[Object]]], limit: int
) -> list[list[Object]]:
    """In place: the last part goes into the fullest unchanged slice that has room for it; full parts are new slices."""
    create = []
    while rest:
        roomy = [one for one in same if len(held(one)) + len(rest) <= limit]
        if roomy:
            chosen = max(roomy, key=lambda one: len(held(one)))
            same.remove(chosen)
            changed.append((chosen, [*held(chosen), *rest]))
            break
        create.append(rest[:limit])
        rest = rest[limit:]
    return create
