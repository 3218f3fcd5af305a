"""What the maps hold of a service. Pure.

`fronts` and `doors` say which packets are to a service at all, `heads` what is to be done with them (see `marks`),
`nears` what with those from outside, `ends` which endpoint the nth is. An endpoint keeps its number as long as it can,
so that one more or less changes two or three entries of a service with thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from corral.cluster.proxy import marks
from corral.cluster.proxy.ledger import Place
from corral.cluster.proxy.services import Front, Target

NEAR_OFFSET = 65536

Limits = Callable[[int], int]  # seconds of affinity -> the number of this limit


def slot(number: int, *, near: bool = False) -> str:
    """How nft writes the number of an endpoint: two halves, the first says among which.

    >>> slot(10), slot(10, near=True)
    ('0:a', '1:a')
    """
    return f"{int(near)}:{number:x}"


def plan_slots(before: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """Pure: which endpoint has which number. Those that stay keep theirs, but for the last, which fill the gaps.

    >>> plan_slots(["a", "b", "c", "d"], ["d", "c", "a"]), plan_slots([], ["x", "y"])
    (['a', 'd', 'c'], ['x', 'y'])
    """
    rest = dict.fromkeys(wanted)
    slots: list[str | None] = []
    for one in before:
        slots.append(one if one in rest else None)
        rest.pop(one, None)
    fresh = iter(list(rest))
    filled = [one if one is not None else next(fresh, None) for one in slots] + list(fresh)
    while None in filled:
        last = filled.pop()
        if last is not None:
            filled[filled.index(None)] = last
    return [one for one in filled if one is not None]


def plan_elements(fronts: Iterable[Front], before: Mapping[Place, str], limits: Limits) -> dict[Place, str]:
    """All entries of a service's fronts; `before` are those it has.

    >>> front = Front("10.96.0.7", 4, 6, 80, (Target("10.1.0.2", 8080),), own=True)
    >>> for place, value in plan_elements([front], {}, lambda seconds: 1).items():
    ...     print(*place, ":", value)
    ends4 10.96.0.7 . 6 . 80 . 0:0 : 10.1.0.2 . 8080
    fronts4 10.96.0.7 . 6 . 80 :\x20
    heads4 10.96.0.7 . 6 . 80 : 0xc1000001
    own4 10.96.0.7 :\x20
    """
    found: dict[Place, str] = {}
    for front in fronts:
        found |= _front(front, before, limits)
    return found


def _front(front: Front, before: Mapping[Place, str], limits: Limits) -> dict[Place, str]:
    word = "door_" if not front.address else ""
    v = front.version
    key = f"{front.protocol} . {front.port}"
    key = f"{front.address} . {key}" if front.address else key
    found = _ends(f"{word}ends{v}", key, front.targets, before)
    affinity = limits(front.affinity) if front.affinity else 0
    head = marks.pack(
        len(front.targets),
        near=not front.targets and not front.refused,
        masked=front.masked,
        ranges=bool(front.sources),
        affinity=affinity,
        outer=front.near is not None,
        own=front.own,
    )
    found[(f"doors{v}" if word else f"fronts{v}", key)] = ""
    found[(f"{word}heads{v}", key)] = f"{head:#x}"
    if front.own:
        found[(f"own{v}", front.address)] = ""
    for source in front.sources:
        found[(f"ranges{v}", f"{key} . {source}")] = ""
    if front.near is not None:
        found |= _ends(f"{word}ends{v}", key, front.near, before, near=True)
        near = marks.pack(len(front.near), near=True, ranges=bool(front.sources), affinity=affinity)
        found[(f"{word}nears{v}", key)] = f"{near:#x}"
    return found


def _ends(
    name: str, key: str, targets: Sequence[Target], before: Mapping[Place, str], *, near: bool = False
) -> dict[Place, str]:
    known: list[str] = []
    while (value := before.get((name, f"{key} . {slot(len(known), near=near)}"))) is not None:
        known.append(value)
    wanted = [f"{target.address} . {target.port}" for target in targets[: marks.MOST_TARGETS]]
    return {(name, f"{key} . {slot(n, near=near)}"): one for n, one in enumerate(plan_slots(known, wanted))}


def plan_selves(addresses: Iterable[str]) -> dict[Place, str]:
    """The entries for pods that reach themselves through a service.

    >>> plan_selves(["10.1.0.2"])
    {('selves4', '10.1.0.2 . 10.1.0.2'): ''}
    """
    return {(f"selves{6 if ':' in one else 4}", f"{one} . {one}"): "" for one in addresses}


def target_address(value: str) -> str:
    """
    >>> target_address("10.1.0.2 . 8080")
    '10.1.0.2'
    """
    return value.partition(" . ")[0]
