"""Usage: what is kept for later builds, how much disk that takes, and what of it goes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from corral.build.caches import CacheDir
from corral.build.records import Record
from corral.build.works import Works
from corral.errors import InvalidInput
from corral.images.digests import chain_ids
from corral.kit.clock import SECOND, from_rfc3339, parse_duration
from corral.linux.streams import in_thread
from corral.model.container import Struct

REGULAR, MOUNT = "regular", "exec.cachemount"


class Usage(Struct):
    """One thing that is kept. Times in nanoseconds, `used` 0 is never. `shared`: an image has it too."""

    id: str
    kind: str
    description: str
    size: int
    created: int
    used: int = 0
    count: int = 0
    in_use: bool = False
    shared: bool = False
    parents: list[str] = []
    last: int = 0  # when it, or what stands on it, was last used
    depth: int = 0  # how many layers there are up to it


class Room(Struct):
    """How much a prune leaves, in bytes: `reserved` always stays, `most` at most, and it goes on until so much of the
    disk is free. 0 says nothing; without any of them all goes."""

    reserved: int = 0
    most: int = 0
    free: int = 0


class Pruned(Struct):
    """What went, and the bytes that the disk got back."""

    ids: list[str]
    freed: int


def describe(
    records: Sequence[Record],
    caches: Sequence[CacheDir],
    imaged: set[str],
    busy: set[str],
    stacks: Mapping[str, Sequence[str]],
) -> list[Usage]:
    """Pure. `imaged` are the chain ids of images' layers, `busy` those that running builds hold; `stacks` gives for a
    chain id those of all its layers."""
    last = last_uses(records, stacks)
    found = [
        Usage(
            r.key[:25], REGULAR, r.description, r.size, r.created, r.used, r.count, r.chain in busy, r.chain in imaged,
            last=last.get(r.chain, 0), depth=len(stacks.get(r.chain, ())),
        )
        for r in records
    ]  # fmt: skip
    return found + [
        Usage(c.key, MOUNT, f"cached mount {c.id}", c.size, c.created, c.used, c.count, c.in_use, last=c.used)
        for c in caches
    ]


def last_uses(records: Sequence[Record], stacks: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Pure: when each layer was last of use, to its own record or to one above it.

    >>> below, above = Record("a", "1", "", 0, 0, "", used=5), Record("b", "2", "", 0, 0, "", used=9)
    >>> last_uses([below, above], {"1": ["1"], "2": ["1", "2"]})
    {'1': 9, '2': 9}
    """
    last: dict[str, int] = {}
    for record in records:
        for chain in stacks.get(record.chain, ()):
            last[chain] = max(last.get(chain, 0), record.used)
    return last


def plan_limit(asked: int | None, disk: int) -> int:
    """Pure: how many bytes builds may keep that nothing else needs; 0 is no limit. None asks for a tenth of a disk of
    so many bytes, 10 GB at most.

    >>> plan_limit(None, 50 * 10**9), plan_limit(None, 10**12), plan_limit(7, 10**12)
    (5000000000, 10000000000, 7)
    """
    return min(disk // 10, 10 * 10**9) if asked is None else asked


def plan_trim(found: Sequence[Usage], limit: int) -> list[str]:
    """Pure: the ids of what goes so that what is kept for later builds alone takes `limit` bytes at most. That which
    was of no use for longest goes first, and what stands on a layer goes before it. What an image or a running build
    needs stays, and does not count.

    >>> old, new = Usage("old", REGULAR, "", 10, 1, last=1, depth=1), Usage("new", REGULAR, "", 10, 1, last=2)
    >>> above, shared = Usage("above", REGULAR, "", 10, 1, last=1, depth=2), Usage("s", REGULAR, "", 99, 1, shared=True)
    >>> plan_trim([old, new, above, shared], 20), plan_trim([old, new, above, shared], 15)
    (['above'], ['above', 'old'])
    """
    left = sum(one.size for one in found if not one.shared)
    free = [one for one in found if not one.shared and not one.in_use]
    gone = []
    for one in sorted(free, key=lambda one: (one.last or one.created, -one.depth)):
        if left <= limit:
            break
        gone.append(one.id)
        left -= one.size
    return gone


def plan_keep(room: Room, total: int, free: int) -> int:
    """Pure: how many of `total` bytes stay, where so many of the disk are free; 0 is none. As BuildKit counts.

    >>> plan_keep(Room(), 100, 5), plan_keep(Room(reserved=30), 100, 5), plan_keep(Room(most=40), 100, 5)
    (0, 30, 40)
    >>> plan_keep(Room(free=25), 100, 5), plan_keep(Room(free=25, most=40), 100, 5), plan_keep(Room(free=3), 100, 5)
    (80, 40, 100)
    >>> plan_keep(Room(reserved=90, free=25), 100, 5), plan_keep(Room(free=500), 100, 5)
    (90, 0)
    """
    keep, lacking = room.most, room.free - free
    if lacking > 0:
        keep = min(keep or total, total - lacking)
    elif room.free and not keep:
        keep = total
    return max(keep, room.reserved, 0)


_BOOLEANS = {"inuse": "in_use", "shared": "shared"}
_TEXTS = {"id": "id", "type": "kind", "description": "description"}


def plan_prune(
    found: Sequence[Usage], filters: Mapping[str, Sequence[str]], keep: int, everything: bool, now: int
) -> list[str]:
    """Pure: the ids of what goes, the least recently used first. InvalidInput for a filter that is none.

    >>> old, new = Usage("a", REGULAR, "RUN a", 10, 1, used=1), Usage("b", REGULAR, "RUN b", 10, 1, used=2)
    >>> plan_prune([new, old], {}, 0, False, 3), plan_prune([new, old], {}, 15, False, 3)
    (['a', 'b'], ['a'])
    >>> plan_prune([new, old], {"id": ["b"]}, 0, False, 3)
    ['b']
    """
    chosen = [one for one in found if not one.in_use and (everything or not one.shared) and _matches(one, filters, now)]
    left = sum(one.size for one in found)
    gone = []
    for one in sorted(chosen, key=lambda one: one.used or one.created):
        if keep and left <= keep:
            break
        gone.append(one.id)
        left -= one.size
    return gone


def _matches(one: Usage, filters: Mapping[str, Sequence[str]], now: int) -> bool:
    for name, values in filters.items():
        if name in ("until", "unused-for"):
            if any((one.used or one.created) > _moment(value, now) for value in values):
                return False
        elif name in _TEXTS:
            if getattr(one, _TEXTS[name]) not in values:
                return False
        elif name == "private":
            if one.shared:
                return False
        elif name in _BOOLEANS:
            wanted = not values or values[0].lower() in ("", "true", "1")
            if getattr(one, _BOOLEANS[name]) != wanted:
                return False
        else:
            raise InvalidInput(f"invalid filter '{name}'")
    return True


def _moment(text: str, now: int) -> int:
    """
    >>> _moment("1s", 5 * SECOND) == 4 * SECOND, _moment("10", 0) == 10 * SECOND
    (True, True)
    """
    try:
        if text.isdecimal():
            return int(text) * SECOND
        return from_rfc3339(text) if text[:4].isdecimal() and "-" in text else now - parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"invalid filter 'until={text}': {error}") from None


async def usage(works: Works) -> list[Usage]:
    caches = await in_thread("usage", works.caches.list)
    imaged = {chain for image in works.images.list() for chain in chain_ids(image.diff_ids)}
    records, layers = list(works.records), works.images.layers
    stacks = {record.chain: [layer.chain for layer in layers.stack(record.chain)] for record in records}
    return describe(records, caches, imaged, works.busy(), stacks)


async def prune(works: Works, filters: Mapping[str, Sequence[str]], room: Room, everything: bool) -> Pruned:
    await works.images.before_removal()
    found = await usage(works)
    disk = os.statvfs(works.engine.config.root)
    keep = plan_keep(room, sum(one.size for one in found), disk.f_bfree * disk.f_frsize)
    gone = plan_prune(found, filters, keep, everything, works.clock.now())
    pruned = await _remove(works, found, gone)
    if everything and not filters and not keep:
        await works.records.forget_memos()
        await works.fetcher.prune()
    return pruned


def cache_limit(works: Works) -> int:
    """How many bytes may be kept for later builds; 0 is no limit."""
    disk = os.statvfs(works.engine.config.root)
    return plan_limit(works.engine.config.build_cache_limit, disk.f_blocks * disk.f_frsize)


async def trim(works: Works) -> None:
    """Keeps to the limit. For after a build that has made something."""
    if limit := cache_limit(works):
        found = await usage(works)
        await _remove(works, found, plan_trim(found, limit))


async def _remove(works: Works, found: Sequence[Usage], gone: Sequence[str]) -> Pruned:
    sizes = {one.id: one.size for one in found}
    freed, removed = 0, []
    for one in gone:
        if await works.caches.remove(one):
            freed += sizes[one]
            removed.append(one)
    keys = {record.key[:25]: record.key for record in works.records}
    records = [one for one in gone if one in keys]
    freed += await works.records.remove(keys[one] for one in records)
    return Pruned([*removed, *records], freed)
