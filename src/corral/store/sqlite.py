"""The store on one machine: a SQLite file, written by one thread that joins waiting commits into one transaction.

A commit costs one fsync; a hundred that come together cost one too, because each group is one transaction.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping

from corral.errors import CorralError, Unavailable, Unsupported
from corral.store import database
from corral.store.interface import Changes, Entry, Page, Watch, after_prefix
from corral.store.writer import Writer

_GET = "SELECT key, value, created, modified FROM entries WHERE key = ?"
_FROM = "SELECT key, value, created, modified FROM entries WHERE key >= ? ORDER BY key"
_REVISION = "SELECT value FROM meta WHERE name = 'revision'"
_BETWEEN = "SELECT key, value, created, modified FROM entries WHERE key >= ? AND key < ? ORDER BY key"


class SqliteStore:
    """Made by `open_sqlite`. `get` is answered inline (tens of microseconds); `range` reads in a thread."""

    def __init__(self, path: str, lock: int) -> None:
        self._path = path
        self._lock = lock
        self._closed = False
        self._reader = database.connect(path)
        self._ranger = database.connect(path)
        self._ranging = threading.Lock()
        self._writer = Writer(path)

    @property
    def revision(self) -> int:
        return self._writer.revision

    async def get(self, key: str, revision: int | None = None) -> Entry | None:
        self._check_open()
        if revision is not None:
            raise Unsupported("this store keeps no history")
        try:
            row = self._reader.execute(_GET, (key,)).fetchone()
        except sqlite3.Error as error:
            raise database.translate(self._path, error) from error
        return None if row is None else Entry(*row)

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int | None = None) -> Page:
        if revision is not None:
            raise Unsupported("this store keeps no history")
        return await asyncio.to_thread(self._range, prefix, max(prefix, start), limit)

    def _range(self, prefix: str, start: str, limit: int) -> Page:
        end = after_prefix(prefix)
        query, bounds = (_FROM, (start,)) if end is None else (_BETWEEN, (start, end))
        with self._ranging:
            self._check_open()
            try:
                self._ranger.execute("BEGIN")
                try:
                    (revision,) = self._ranger.execute(_REVISION).fetchone()
                    found = [Entry(*row) for row in self._ranger.execute(query, bounds)]
                finally:
                    self._ranger.execute("COMMIT")
            except sqlite3.Error as error:
                raise database.translate(self._path, error) from error
        page = found[:limit] if limit else found
        return Page(page, revision, len(found) - len(page))

    async def commit(
        self,
        puts: Mapping[str, bytes],
        deletes: Iterable[str] = (),
        *,
        expect: Mapping[str, int] | None = None,
        lease: int = 0,
    ) -> int:
        self._check_open()
        if expect or lease:
            raise Unsupported("this store keeps no history")
        return await self._writer.submit(Changes(puts, deletes))

    def watch(self, prefix: str, after: int) -> Watch:
        raise Unsupported("this store keeps no history")

    async def compact(self, revision: int) -> None:
        raise Unsupported("this store keeps no history")

    async def grant(self, seconds: int) -> int:
        raise Unsupported("this store has no leases")

    async def keep_alive(self, lease: int) -> None:
        raise Unsupported("this store has no leases")

    async def revoke(self, lease: int) -> None:
        raise Unsupported("this store has no leases")

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._reader.close()
        with self._ranging:
            self._ranger.close()
        os.close(self._lock)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"store {self._path} is closed")


def open_sqlite(path: str) -> SqliteStore:
    """Opens or creates the store in the file `path`, whose directory exists. Blocks for some milliseconds.

    Raises Unavailable (in use, or locked), HostError (damaged), NoSpace, and Unsupported (not our file).
    """
    lock = database.lock(path)
    try:
        database.prepare(path)
        return SqliteStore(path, lock)
    except sqlite3.Error as error:
        os.close(lock)
        raise database.translate(path, error) from error
    except CorralError:
        os.close(lock)
        raise
