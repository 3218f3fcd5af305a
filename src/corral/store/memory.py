"""A store without a disk: for tests, and for state that need not outlive the process."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Iterable, Mapping

from corral.errors import Unavailable
from corral.kit.clock import SECOND, Clock, SystemClock
from corral.store.housekeeping import Marks
from corral.store.interface import (
    ANYTHING,
    Change,
    Changes,
    Compacted,
    Entry,
    Mismatch,
    NoLease,
    NotYet,
    Page,
    Room,
    Watch,
    check_key,
    check_lease,
    check_text,
)
from corral.store.watching import Hub

_SLICE = 1000


class MemoryStore:
    """Keeps everything in dictionaries; `commit` is as atomic as one turn of the event loop."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._entries: dict[str, Entry] = {}
        self._keys: list[str] = []  # of the entries, in order
        self._log: list[Change] = []  # since `_compacted`
        self._compacted = 0
        self._marks = Marks()
        self._leases: dict[int, tuple[int, int]] = {}  # seconds and when they are over
        self._leased: dict[str, int] = {}
        self._last_lease = 0
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._hub = Hub(0, self._replay)
        self._closed = False

    @property
    def revision(self) -> int:
        return self._hub.revision

    @property
    def room(self) -> Room:
        return ANYTHING

    async def latest(self) -> int:
        return self.revision

    async def get(self, key: str, revision: int | None = None) -> Entry | None:
        self._ready()
        check_key(key)
        if revision is None:
            return self._entries.get(key)
        self._check(revision)
        for change in self._log[self._after(revision) :]:  # the first one later says what was there
            if change.key == key:
                return change.previous
        return self._entries.get(key)

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int | None = None) -> Page:
        self._ready()
        check_text(prefix, start)
        at = self.revision if revision is None else revision
        self._check(at)
        keys, entries = self._state(at)
        found: list[Entry] = []
        for key in keys[bisect.bisect_left(keys, max(prefix, start)) :]:
            if not key.startswith(prefix):
                break
            found.append(entries[key])
        page = found[:limit] if limit else found
        return Page(page, at, len(found) - len(page))

    def _state(self, revision: int) -> tuple[list[str], dict[str, Entry]]:
        """The keys in order and the entries as of a revision: later changes are undone, the last one first."""
        later = self._log[self._after(revision) :]
        if not later:
            return self._keys, self._entries
        entries = dict(self._entries)
        for change in reversed(later):
            if change.previous:
                entries[change.key] = change.previous
            else:
                del entries[change.key]
        return sorted(entries), entries

    async def commit(
        self,
        puts: Mapping[str, bytes],
        deletes: Iterable[str] = (),
        *,
        expect: Mapping[str, int] | None = None,
        lease: int = 0,
    ) -> int:
        self._ready()
        return self._commit(Changes(puts, deletes, expect, lease))

    def _commit(self, asked: Changes) -> int:
        for key, expected in asked.expect.items():
            found = self._entries[key].modified if key in self._entries else 0
            if found != expected:
                raise Mismatch(key, expected, found)
        if asked.lease and asked.lease not in self._leases:
            raise NoLease(asked.lease)
        revision, changes = self.revision + 1, list[Change]()
        for key in asked.deletes:
            if previous := self._entries.pop(key, None):
                del self._keys[bisect.bisect_left(self._keys, key)]
                changes.append(Change(revision, key, None, previous))
            self._leased.pop(key, None)
        for key, value in asked.puts.items():
            previous = self._entries.get(key)
            if previous is None:
                bisect.insort(self._keys, key)
            self._entries[key] = Entry(key, value, previous.created if previous else revision, revision, asked.lease)
            changes.append(Change(revision, key, value, previous))
            self._lease(key, asked.lease)
        return self._publish(changes, revision) if changes else self.revision

    def _lease(self, key: str, lease: int) -> None:
        if lease:
            self._leased[key] = lease
        else:
            self._leased.pop(key, None)

    def _publish(self, changes: list[Change], revision: int) -> int:
        changes.sort(key=lambda change: change.key)
        self._log += changes
        self._hub.publish(changes, revision)
        if compact_to := self._marks.note(self._clock.now(), revision):
            self._compact(compact_to)
        return revision

    def watch(self, prefix: str, after: int) -> Watch:
        self._ready()
        check_text(prefix)
        return self._hub.watch(prefix, after)

    async def _replay(self, prefix: str, after: int, until: int) -> tuple[list[Change], int]:
        if after < self._compacted:
            raise Compacted(after, self._compacted)
        until = min(until, after + _SLICE)
        past = self._log[self._after(after) : self._after(until)]
        return [change for change in past if change.key.startswith(prefix)], until

    async def compact(self, revision: int) -> None:
        self._ready()
        if revision > self.revision:
            raise NotYet(revision, self.revision)
        self._compact(revision)

    def _compact(self, revision: int) -> None:
        if revision > self._compacted:
            del self._log[: self._after(revision)]
            self._compacted = revision

    def _after(self, revision: int) -> int:
        """Where the log goes on after a revision."""
        return bisect.bisect_right(self._log, revision, key=lambda change: change.revision)

    async def grant(self, seconds: int) -> int:
        check_lease(seconds)
        self._ready()
        self._last_lease += 1
        self._renew(self._last_lease, seconds)
        return self._last_lease

    async def keep_alive(self, lease: int) -> None:
        self._ready()
        if lease not in self._leases:
            raise NoLease(lease)
        self._renew(lease, self._leases[lease][0])

    async def revoke(self, lease: int) -> None:
        self._ready()
        if lease not in self._leases:
            raise NoLease(lease)
        self._end(lease)

    async def expire(self) -> None:
        """Ends the leases whose time is over; this happens by itself, too."""
        self._ready()

    def _renew(self, lease: int, seconds: int) -> None:
        self._leases[lease] = (seconds, self._clock.now() + seconds * SECOND)
        if timer := self._timers.pop(lease, None):
            timer.cancel()
        self._timers[lease] = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        now = self._clock.now()
        for lease in [lease for lease, (_, over) in self._leases.items() if over <= now]:
            self._end(lease)

    def _end(self, lease: int) -> None:
        del self._leases[lease]
        self._timers.pop(lease).cancel()
        self._commit(Changes({}, sorted(key for key, of in self._leased.items() if of == lease)))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._hub.fail(Unavailable("the store is closed"))

    def _check(self, revision: int) -> None:
        if revision > self.revision:
            raise NotYet(revision, self.revision)
        if revision < self._compacted:
            raise Compacted(revision, self._compacted)

    def _ready(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")
        if self._leases:
            self._due()
