"""Scaling in the middle of a rollout: each ReplicaSet gets its share. Pure. Follows upstream's sync.go, `scale`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from corral.cluster.controllers.deployment.sizes import Bounds, Scale, Size


def plan_scaling(
    wanted: int, bounds: Bounds, new: Size | None, old: Sequence[Size], *, rolling: bool = True
) -> list[Scale]:
    """The sizes of all ReplicaSets once the Deployment wants `wanted` pods; those that stay as they are too.

    One alone gets them all. A new one that has all that are wanted, all available, ends the rollout. Otherwise the
    difference is shared by size; what is left of rounding goes to the largest.

    >>> plan_scaling(20, Bounds(5, 0), Size("new", 4, 4, ceiling=15), [Size("old", 11, 11, ceiling=15)])
    [Scale(name='old', replicas=18), Scale(name='new', replicas=7)]
    """
    active = [one for one in (*old, *([new] if new else [])) if one.replicas > 0]
    if len(active) <= 1:
        alone = active[0] if active else (new or max(old, key=lambda one: one.created, default=None))
        return [] if alone is None else [Scale(alone.name, wanted)]
    if new is not None and new.replicas == wanted == new.available:
        return [Scale(one.name, 0) for one in old if one.replicas > 0]
    return _shared(wanted, bounds, active) if rolling else []


def _shared(wanted: int, bounds: Bounds, active: Sequence[Size]) -> list[Scale]:
    ceiling = wanted + bounds.surge if wanted > 0 else 0
    to_add = ceiling - sum(one.replicas for one in active)
    by_age = sorted(active, key=lambda one: (one.created, one.name), reverse=to_add > 0)
    ordered = sorted(by_age, key=lambda one: -one.replicas)
    added, found = 0, []
    for one in ordered:
        part = fraction(one, wanted, ceiling) if to_add else 0
        left = to_add - added
        part = min(part, left) if to_add > 0 else max(part, left)
        added += part
        found.append(one.replicas + part)
    found[0] = max(0, found[0] + to_add - added)
    return [Scale(one.name, size) for one, size in zip(ordered, found, strict=True)]


def fraction(one: Size, wanted: int, ceiling: int) -> int:
    """By how much a ReplicaSet should change, when the ceiling of all was another when it was sized.

    >>> fraction(Size("web", 10, ceiling=10), 20, 20), fraction(Size("web", 5), 0, 0), fraction(Size("web", 5), 9, 9)
    (10, -5, 0)
    """
    if wanted == 0:
        return -one.replicas
    if one.ceiling <= 0:
        return 0
    return math.floor(one.replicas * ceiling / one.ceiling + 0.5) - one.replicas
