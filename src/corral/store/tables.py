"""What the writer does to the tables of a store: each method is one operation within a transaction.

An operation that is refused (Mismatch, NoLease, NotYet) has changed nothing by then, so that others can share its
transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from corral.kit.clock import SECOND, Clock
from corral.store.housekeeping import KEEP_REVISIONS, Marks
from corral.store.interface import Change, Changes, Entry, Mismatch, NoLease, NotYet

LAST = (1 << 63) - 1  # SQLite's largest number
LOOK = 60.0  # seconds after which the clock is looked at again: it may have been put forward
SWEEP = 500  # rows of the history that are thrown away at once

_LOOK = "SELECT key, value, created, modified, lease FROM entries WHERE key = ?"
_MODIFIED = "SELECT modified FROM entries WHERE key = ?"
_PUT = """INSERT INTO entries (key, created, modified, lease, value) VALUES (?1, ?3, ?3, ?4, ?2)
          ON CONFLICT (key) DO UPDATE SET value = ?2, modified = ?3, lease = ?4"""
_KEEP = "INSERT INTO history (key, value, created, modified, lease, ended) VALUES (?, ?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM entries WHERE key = ?"
_META = "UPDATE meta SET value = ? WHERE name = ?"
_SWEEP = f"DELETE FROM history WHERE rowid IN (SELECT rowid FROM history WHERE ended <= ? LIMIT {SWEEP})"
_LEASED = "SELECT key FROM entries WHERE lease = ? AND lease != 0 ORDER BY key"


class Tables:
    """On the writing connection. `changes` are those of the present transaction, where a history is kept."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self.connection, self._run, self._clock = connection, connection.execute, clock
        meta = dict(self._run("SELECT name, value FROM meta"))
        self.revision: int = meta["revision"]
        self.compacted: int = meta["compacted"]
        self.history = bool(meta["history"])
        self.changes: list[Change] = []
        self._marks = Marks()
        self._litter = self.history  # is there history before `compacted`? A killed owner may have left some.
        self._deadline = self._next_deadline()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in it becomes durable at its end; if that fails, nothing of it happened."""
        before = (self.revision, self.compacted)
        self.changes = []
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._tidy()
            if self.revision != before[0]:
                self._run(_META, (self.revision, "revision"))
            if self.compacted != before[1]:
                self._run(_META, (self.compacted, "compacted"))
            self._run("COMMIT")
        except BaseException:
            self.revision, self.compacted = before
            self._litter = self.history
            # A full disk may have rolled the transaction back already.
            if self.connection.in_transaction:
                self._run("ROLLBACK")
            raise

    # Operations

    def commit(self, asked: Changes) -> int:
        """Mismatch, NoLease."""
        for key, expected in asked.expect.items():
            row = self._run(_MODIFIED, (key,)).fetchone()
            if (found := row[0] if row else 0) != expected:
                raise Mismatch(key, expected, found)
        if asked.lease:
            self._seconds(asked.lease)
        revision = self.revision + 1
        changed = self._keeping(asked, revision) if self.history else self._forgetting(asked, revision)
        self.revision += changed
        return self.revision

    def _keeping(self, asked: Changes, revision: int) -> bool:
        """With a history: what was there moves into it."""
        changes = []
        for key in asked.deletes:
            if previous := self._end(key, revision):
                self._run(_DELETE, (key,))
                changes.append(Change(revision, key, None, previous))
        for key, value in asked.puts.items():
            previous = self._end(key, revision)
            self._run(_PUT, (key, value, revision, asked.lease))
            changes.append(Change(revision, key, value, previous))
        self.changes += sorted(changes, key=lambda change: change.key) if len(changes) > 1 else changes
        return bool(changes)

    def _end(self, key: str, revision: int) -> Entry | None:
        row = self._run(_LOOK, (key,)).fetchone()
        if row is None:
            return None
        self._run(_KEEP, (*row, revision))
        return Entry(*row)

    def _forgetting(self, asked: Changes, revision: int) -> bool:
        """Without one: what was there is gone."""
        deleted = sum(self._run(_DELETE, (key,)).rowcount for key in asked.deletes)
        for key, value in asked.puts.items():
            self._run(_PUT, (key, value, revision, asked.lease))
        return bool(asked.puts or deleted)

    def compact(self, revision: int) -> int:
        """NotYet."""
        if revision > self.revision:
            raise NotYet(revision, self.revision)
        if self.history and revision > self.compacted:
            self.compacted, self._litter = revision, True
        return self.compacted

    def grant(self, seconds: int) -> int:
        deadline = self._over(seconds)
        made = self._run("INSERT INTO leases (seconds, deadline) VALUES (?, ?)", (seconds, deadline))
        self._deadline = min(self._deadline or deadline, deadline)
        assert made.lastrowid is not None
        return made.lastrowid

    def keep_alive(self, lease: int) -> int:
        """NoLease."""
        deadline = self._over(self._seconds(lease))
        self._run("UPDATE leases SET deadline = ? WHERE id = ?", (deadline, lease))
        return lease

    def revoke(self, lease: int) -> int:
        """NoLease."""
        self._seconds(lease)
        self._run("DELETE FROM leases WHERE id = ?", (lease,))
        return self.commit(Changes({}, [key for (key,) in self._run(_LEASED, (lease,)).fetchall()]))

    def _over(self, seconds: int) -> int:
        """When so many seconds from now are over; what SQLite cannot count to is for ever."""
        return min(self._clock.now() + seconds * SECOND, LAST)

    def _seconds(self, lease: int) -> int:
        row = self._run("SELECT seconds FROM leases WHERE id = ?", (lease,)).fetchone()
        if row is None:
            raise NoLease(lease)
        return int(row[0])

    # What is done without being asked

    def expire(self) -> None:
        """Ends the leases whose time is over."""
        if self._deadline is None or self._deadline > (now := self._clock.now()):
            return
        for (lease,) in self._run("SELECT id FROM leases WHERE deadline <= ? ORDER BY deadline", (now,)).fetchall():
            self.revoke(lease)
        self._deadline = self._next_deadline()

    def _next_deadline(self) -> int | None:
        found: int | None = self._run("SELECT min(deadline) FROM leases").fetchone()[0]
        return found

    def _tidy(self) -> None:
        """Forgets what is old, a little at a time, so that nobody waits for long."""
        if not self.history:
            return
        self.compact(self._marks.note(self._clock.now(), self.revision))
        if self._litter:
            self._litter = self._run(_SWEEP, (self.compacted,)).rowcount == SWEEP

    def patience(self) -> float | None:
        """Seconds after which there is something to do though nobody asks; None: never."""
        if self._litter:
            return 0
        waits = []
        if self._deadline is not None:
            waits += [max(0, self._deadline - self._clock.now()) / SECOND, LOOK]
        if self.history and self.revision - self.compacted > KEEP_REVISIONS:
            waits.append(LOOK)
        return min(waits, default=None)
