"""Since when an image of the node's is here, and when something used it last. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

Records = Mapping[str, "Seen"]


class Seen(NamedTuple):
    """In seconds since 1970. `since`: when a pod first wanted it; `used`: when something last had it."""

    since: float
    used: float


def plan_records(records: Records, present: Collection[str], used: Collection[str], now: float) -> dict[str, Seen]:
    """What is known at a look: what is used now is used last now, what is not here any more is forgotten.

    >>> plan_records({"a": Seen(1, 1), "b": Seen(2, 2), "c": Seen(3, 3)}, ["a", "b", "d"], ["a", "d"], now=9)
    {'a': Seen(since=1, used=9), 'b': Seen(since=2, used=2)}
    """
    kept = {id: seen for id, seen in records.items() if id in present}
    return {id: seen._replace(used=now) if id in used else seen for id, seen in kept.items()}


def plan_order(records: Records, unused: Collection[str], now: float, youngest: float) -> list[str]:
    """Which of the node's images may go, in this order: who was used longest ago first. One that has just come may be
    a pod's that is only starting.

    >>> known = {"a": Seen(0, 50), "b": Seen(0, 10), "c": Seen(95, 95), "d": Seen(0, 5)}
    >>> plan_order(known, ["a", "b", "c", "other"], now=100, youngest=20)
    ['b', 'a']
    """
    may = [id for id in unused if id in records and now - records[id].since >= youngest]
    return sorted(may, key=lambda id: (records[id].used, records[id].since, id))


def plan_old(records: Records, order: Collection[str], now: float, oldest: float) -> list[str]:
    """Those that nobody has used for too long.

    >>> plan_old({"a": Seen(0, 50), "b": Seen(0, 10)}, ["b", "a"], now=100, oldest=60)
    ['b']
    >>> plan_old({"a": Seen(0, 50)}, ["a"], now=100, oldest=0)
    []
    """
    return [id for id in order if oldest and now - records[id].used > oldest]


def plan_young(records: Records, now: float, youngest: float) -> set[str]:
    """Those that have just come.

    >>> plan_young({"a": Seen(0, 50), "b": Seen(95, 95)}, now=100, youngest=20)
    {'b'}
    """
    return {id for id, seen in records.items() if now - seen.since < youngest}
