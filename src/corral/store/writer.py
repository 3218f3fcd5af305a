"""The one thread that writes: takes all commits that wait, makes them one transaction, tells each its result."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from queue import SimpleQueue

from corral.errors import HostError, Unavailable
from corral.store import database
from corral.store.interface import Changes

MAX_GROUP = 512

_PUT = """INSERT INTO entries (key, value, created, modified) VALUES (?1, ?2, ?3, ?3)
          ON CONFLICT (key) DO UPDATE SET value = excluded.value, modified = excluded.modified"""
_DELETE = "DELETE FROM entries WHERE key = ?"
_REVISION = "UPDATE meta SET value = ? WHERE name = 'revision'"

Waiter = asyncio.Future[int]
Outcome = int | HostError | Unavailable


class Request:
    """One commit, and who waits for it on which event loop."""

    __slots__ = ("changes", "loop", "waiter")

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.loop = asyncio.get_running_loop()
        self.waiter: Waiter = self.loop.create_future()


class Writer:
    """Owns the writing connection and the number of the last revision."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = database.connect(path)
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()
        self.revision = int(row[0])
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def submit(self, changes: Changes) -> int:
        request = Request(changes)
        self._queue.put(request)
        return await request.waiter

    def close(self) -> None:
        """Writes what was submitted before, then ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._take()
            if group:
                _answer(group, self._write(group))
        self._connection.close()

    def _take(self) -> tuple[list[Request], bool]:
        """Waits for the first request, then takes what else is there; True if it is time to end."""
        group: list[Request] = []
        while len(group) < MAX_GROUP and (not group or not self._queue.empty()):
            request = self._queue.get()
            if request is None:
                return group, True
            group.append(request)
        return group, False

    def _write(self, group: Sequence[Request]) -> list[Outcome]:
        """One transaction for all; if that fails, one for each, so that nobody fails for another's sake."""
        try:
            return list(self._transact(group))
        except sqlite3.Error as error:
            failure = database.translate(self._path, error)
        except Exception as error:  # whatever it is, this thread lives on and the waiters hear of it
            failure = HostError(f"write store {self._path}: {error!r}")
        if len(group) == 1 or isinstance(failure, Unavailable):
            return [failure] * len(group)
        return [outcome for request in group for outcome in self._write([request])]

    def _transact(self, group: Sequence[Request]) -> list[int]:
        run = self._connection.execute
        revision, revisions = self.revision, []
        run("BEGIN IMMEDIATE")
        try:
            for request in group:
                revision += bool(request.changes.puts or request.changes.deletes)
                self._apply(request.changes, revision)
                revisions.append(revision)
            run(_REVISION, (revision,))
            run("COMMIT")
        except BaseException:
            # A full disk may have rolled the transaction back already.
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise
        self.revision = revision
        return revisions

    def _apply(self, changes: Changes, revision: int) -> None:
        for key in changes.deletes:
            self._connection.execute(_DELETE, (key,))
        for key, value in changes.puts.items():
            self._connection.execute(_PUT, (key, value, revision))


def _answer(group: Sequence[Request], outcomes: Sequence[Outcome]) -> None:
    """Wakes each event loop once for all of its waiters."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiter, Outcome]]] = {}
    for request, outcome in zip(group, outcomes, strict=True):
        by_loop.setdefault(request.loop, []).append((request.waiter, outcome))
    for loop, results in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, results)
        except RuntimeError:
            continue  # that loop has ended, and nobody waits there any more


def _settle(results: Sequence[tuple[Waiter, Outcome]]) -> None:
    for waiter, outcome in results:
        if waiter.done():
            continue  # cancelled meanwhile
        if isinstance(outcome, int):
            waiter.set_result(outcome)
        else:
            waiter.set_exception(outcome)
