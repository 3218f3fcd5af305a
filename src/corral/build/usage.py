"""Usage: what is kept for later builds, how much disk that takes, and what of it goes."""

from __future__ import annotations

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


class Pruned(Struct):
    """What went, and the bytes that the disk got back."""

    ids: list[str]
    freed: int


def describe(records: Sequence[Record], caches: Sequence[CacheDir], imaged: set[str], busy: set[str]) -> list[Usage]:
    """Pure. `imaged` are the chain ids of images' layers, `busy` those that running builds hold."""
    found = [
        Usage(
            r.key[:25], REGULAR, r.description, r.size, r.created, r.used, r.count, r.chain in busy, r.chain in imaged
        )
        for r in records
    ]
    return found + [
        Usage(c.key, MOUNT, f"cached mount {c.id}", c.size, c.created, c.used, c.count, c.in_use) for c in caches
    ]


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
    return describe(list(works.records), caches, imaged, works.busy())


async def prune(works: Works, filters: Mapping[str, Sequence[str]], keep: int, everything: bool) -> Pruned:
    found = await usage(works)
    gone = plan_prune(found, filters, keep, everything, works.clock.now())
    sizes = {one.id: one.size for one in found}
    freed, removed = 0, []
    for one in gone:
        if await in_thread("prune", lambda one=one: works.caches.has(one) and works.caches.remove(one)):  # type: ignore[misc]
            freed += sizes[one]
            removed.append(one)
    keys = {record.key[:25]: record.key for record in works.records}
    records = [one for one in gone if one in keys]
    freed += await works.records.remove(keys[one] for one in records)
    if everything and not filters and not keep:
        await works.records.forget_memos()
    return Pruned([*removed, *records], freed)
