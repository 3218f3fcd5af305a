"""The feed: one watch of the whole store, whose changes go to the cache of their resource.

All caches are at the same revision, so a read is consistent as soon as the feed has seen what the store had when the
read began, and every bookmark may name the newest revision there is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from corral.cluster.apiserver.caching.cache import Cache, Changed
from corral.cluster.apiserver.caching.event import Event
from corral.cluster.apiserver.caching.item import PREFIX, Item, Object, resource_prefix
from corral.cluster.apiserver.caching.selection import Selection
from corral.errors import HostError, Unavailable
from corral.kit.tasks import Tasks
from corral.store.interface import Change, Compacted, Entry, Lagging, Store

log = logging.getLogger("corral.apiserver")

RETRY_SECONDS: Final = 0.5  # between tries at a store that cannot be reached
CLOSED: Final = "the store is closed"
HISTORY: Final = 2000  # revisions before the start whose changes are known to watchers: they go on after a restart


@dataclass(slots=True)
class _Place:
    """Where the feed is: after `begin`; up to `loaded` everything is history, which is known once `told` is reached."""

    begin: int
    loaded: int
    told: int


class Caches:
    """Implements Lookup. `revision`: up to which everything is known here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._caches: dict[str, Cache] = {}
        self._since = 0  # the revision after which all changes are known
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._tasks = Tasks()
        self._history = asyncio.Event()  # what happened before the start is known
        self.revision = 0
        self.failed, self.problem = False, CLOSED

    @classmethod
    async def open(cls, store: Store) -> Caches:
        """Reads what there is, and follows the store from then on."""
        made = cls(store)
        await made._load()
        return made

    async def _load(self) -> None:
        told = await self._store.latest()
        page = await self._store.range(PREFIX)
        self.revision = self._since = page.revision
        for entry in page.entries:
            self._put(entry)
        begin = max(page.revision - HISTORY, 0)
        feed = self._tasks.start("kubernetes-feed", self._follow(begin, told))
        history = asyncio.ensure_future(self._history.wait())
        await asyncio.wait((feed, history), return_when=asyncio.FIRST_COMPLETED)
        history.cancel()
        if feed.done():
            feed.result()
            raise Unavailable("the store is closed")

    def _put(self, entry: Entry) -> None:
        prefix = _prefix_of(entry.key)
        item = _item(entry.key, prefix, entry.modified, entry.value)
        if item is not None:
            self._cache(prefix).put(item)

    def _cache(self, prefix: str) -> Cache:
        found = self._caches.get(prefix)
        if found is None:
            found = self._caches[prefix] = Cache(self._since)
        return found

    def cache(self, group: str, plural: str) -> Cache:
        return self._cache(resource_prefix(group, plural))

    def counts(self) -> list[tuple[str, int, int]]:
        """(group/resource, objects, bytes) of each resource, for the metrics."""
        named = ((p.removeprefix(PREFIX).strip("/"), c) for p, c in sorted(self._caches.items()))
        return [(name, len(cache.items), cache.bytes) for name, cache in named]

    # Following

    async def _follow(self, begin: int, told: int) -> None:
        """Takes changes in for ever. Those up to the load's revision are history for watchers.

        When the store cannot be reached, all that wait are sent away, and it is tried again.
        """
        place = _Place(begin, self.revision, told)
        try:
            while True:
                try:
                    await self._follow_once(place)
                except Compacted as error:
                    await self._catch_up(place, error.oldest)
                except Lagging:
                    log.warning("the caches could not follow the store; going on from revision %d", place.begin)
                except (Unavailable, HostError) as error:
                    if not self._history.is_set():
                        raise
                    if not self.failed:
                        log.error("the caches cannot follow the store: %s", error.message)
                    self._fail(error.message)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._fail()

    async def _follow_once(self, place: _Place) -> None:
        if self.failed:
            await self._store.latest()  # raises while it cannot be reached
            log.info("the caches follow the store again")
        watch = self._store.watch("", place.begin)
        try:
            self.failed = False
            self._rewrite_since(place)
            async for changes in watch:
                self._take(changes, place.loaded)
                place.begin = max(place.begin, changes[-1].revision)
                self._note_history(place)
            raise Unavailable("the store has ended the watch")
        finally:
            watch.close()

    async def _catch_up(self, place: _Place, oldest: int) -> None:
        """The store has forgotten what was to come next: less history, or a comparison with what is there."""
        if place.begin < place.loaded:
            place.begin = min(max(oldest, place.begin + 1), place.loaded)
            return
        await self._reload()
        place.begin = place.loaded = place.told = self.revision

    def _rewrite_since(self, place: _Place) -> None:
        """Before history comes: the windows begin where it does."""
        if not self._history.is_set():
            self._since = place.begin
            for cache in self._caches.values():
                cache.log.since = place.begin
            self._note_history(place)

    def _note_history(self, place: _Place) -> None:
        if place.begin >= min(place.loaded, place.told):
            self._history.set()

    def _take(self, changes: list[Change], loaded: int) -> None:
        told: set[str] = set()
        for change in changes:
            if not change.key.startswith(PREFIX):
                continue
            prefix = _prefix_of(change.key)
            if change.revision <= loaded:
                self._remember(prefix, change)
            else:
                self._apply(prefix, change)
                told.add(prefix)
        self.revision = max(self.revision, changes[-1].revision)
        for prefix in told:
            self._caches[prefix].log.announce()
        self._wake()

    def _remember(self, prefix: str, change: Change) -> None:
        old = change.previous
        before = _item(change.key, prefix, old.modified, old.value) if old else None
        after = _item(change.key, prefix, change.revision, change.value) if change.value is not None else None
        if before or after:
            cache = self._cache(prefix)
            cache.modified = max(cache.modified, change.revision)
            cache.log.append(Event(change.revision, before, after))

    def _apply(self, prefix: str, change: Change) -> None:
        cache, key = self._cache(prefix), change.key[len(prefix) :]
        after = _item(change.key, prefix, change.revision, change.value) if change.value is not None else None
        before = cache.items.get(key)
        if before or after:
            cache.apply(Event(change.revision, before, after), key)

    async def _reload(self) -> None:
        """The store has forgotten what came after us: what is there now is compared with what we know."""
        page = await self._store.range(PREFIX)
        present = {entry.key: entry for entry in page.entries}
        gone = [p + key for p, cache in self._caches.items() for key in cache.items if p + key not in present]
        changes = [Change(page.revision, key, None, None) for key in gone]
        changes += [
            Change(entry.modified, entry.key, entry.value, None)
            for entry in sorted(page.entries, key=lambda one: one.modified)
            if entry.modified > self.revision
        ]
        if changes:
            self._take(sorted(changes, key=lambda one: one.revision), self.revision)
        self.revision = page.revision
        self._wake()

    # Waiting

    def _wake(self) -> None:
        if not self._waiters:
            return
        waiting = self._waiters
        self._waiters = [one for one in waiting if one[0] > self.revision]
        for revision, waiter in waiting:
            if revision <= self.revision and not waiter.done():
                waiter.set_result(None)

    async def fresh(self) -> int:
        """Returns when everything that the store had at the call is known here, whoever wrote it: the revision."""
        latest = await self._store.latest()
        if self.revision < latest:
            await self.until(latest)
        return self.revision

    async def until(self, revision: int, seconds: float | None = None) -> bool:
        """Returns when a revision is known: True; False when that does not happen in time."""
        if self.revision >= revision:
            return True
        if self.failed:
            raise Unavailable(self.problem)
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((revision, waiter))
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            self._waiters = [one for one in self._waiters if one[1] is not waiter]
            return False
        return True

    # Lookup

    def get(self, group: str, plural: str, namespace: str, name: str) -> Object | None:
        item = self.cache(group, plural).items.get(f"{namespace}/{name}")
        return item.view() if item else None

    def list(self, group: str, plural: str, namespace: str = "") -> Sequence[Object]:
        return [item.view() for item in self.cache(group, plural).walk(Selection(namespace))]

    def subscribe(self, group: str, plural: str, changed: Changed) -> None:
        cache = self.cache(group, plural)
        cache.subscribers.append(changed)
        for key in list(cache.keys):
            changed(None, cache.items[key].view())

    async def close(self) -> None:
        """Ends all watches, too."""
        await self._tasks.close()
        self._fail()

    def _fail(self, problem: str = CLOSED) -> None:
        self.failed, self.problem = True, problem
        for cache in self._caches.values():
            cache.log.wake_all()
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(Unavailable(problem))
        self._waiters = []


def _prefix_of(key: str) -> str:
    """Pure: the part of an object's key that all of its resource share.

    >>> _prefix_of("/registry/core/pods/shop/web")
    '/registry/core/pods/'
    """
    end = key.index("/", key.index("/", len(PREFIX)) + 1)
    return key[: end + 1]


def _item(key: str, prefix: str, revision: int, value: bytes) -> Item | None:
    """None for what is no object: it cannot be shown, and must not keep the others from being."""
    try:
        return Item(key[len(prefix) :], revision, value)
    except ValueError:
        log.error("the store holds something under %s that is no Kubernetes object", key)
        return None
