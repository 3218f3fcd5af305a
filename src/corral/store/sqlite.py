"""The store on one machine: a SQLite file, written by one thread that joins waiting commits into one transaction.

A commit costs one fsync; a hundred that come together cost one too, because each group is one transaction.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Concatenate, ParamSpec, TypeVar

from corral.errors import CorralError, Unavailable, Unsupported
from corral.kit.clock import Clock, SystemClock
from corral.store import database, reading
from corral.store.interface import (
    ANYTHING,
    Change,
    Changes,
    Entry,
    Page,
    Room,
    Watch,
    check_key,
    check_lease,
    check_text,
)
from corral.store.watching import Hub
from corral.store.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore:
    """Made by `open_sqlite`. `get` is answered inline (tens of microseconds); ranges and history by a thread."""

    def __init__(self, path: str, lock: int, clock: Clock, *, history: bool) -> None:
        self._path = path
        self._lock = lock
        self._history = history
        self._closed = False
        self._reader = database.connect(path)
        self._ranger = database.connect(path)
        self._ranging = threading.Lock()
        self._writer = Writer(path, clock)
        self._hub = Hub(self._writer.revision, self._replay)
        self._writer.publish = self._hub.publish
        self._writer.start()

    @property
    def revision(self) -> int:
        return self._hub.revision

    @property
    def room(self) -> Room:
        return ANYTHING

    async def latest(self) -> int:
        return self.revision

    async def get(self, key: str, revision: int | None = None) -> Entry | None:
        self._check_open()
        check_key(key)
        try:
            if revision is None:
                return reading.get(self._reader, key)
            return reading.get_at(self._reader, key, revision)
        except sqlite3.Error as error:
            raise database.translate(self._path, error) from error

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int | None = None) -> Page:
        check_text(prefix, start)
        return await self._read(reading.read_range, prefix, start, limit, revision)

    async def _read(
        self, read: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """In a thread, so that the event loop goes on meanwhile."""

        def work() -> T:
            with self._ranging:
                self._check_open()
                try:
                    return read(self._ranger, *args, **kwargs)
                except sqlite3.Error as error:
                    raise database.translate(self._path, error) from error

        return await asyncio.to_thread(work)

    async def commit(
        self,
        puts: Mapping[str, bytes],
        deletes: Iterable[str] = (),
        *,
        expect: Mapping[str, int] | None = None,
        lease: int = 0,
    ) -> int:
        self._check_open()
        changes = Changes(puts, deletes, expect, lease)
        return await self._writer.submit(lambda tables: tables.commit(changes))

    def watch(self, prefix: str, after: int) -> Watch:
        """See `Store.watch`. Unsupported if no history is kept."""
        self._check_open()
        check_text(prefix)
        if not self._history:
            raise Unsupported(f"store {self._path} keeps no history and cannot be watched")
        return self._hub.watch(prefix, after)

    async def _replay(self, prefix: str, after: int, until: int) -> tuple[list[Change], int]:
        return await self._read(reading.read_changes, prefix, after, until)

    async def compact(self, revision: int) -> None:
        self._check_open()
        await self._writer.submit(lambda tables: tables.compact(revision))

    async def grant(self, seconds: int) -> int:
        check_lease(seconds)
        self._check_open()
        return await self._writer.submit(lambda tables: tables.grant(seconds))

    async def keep_alive(self, lease: int) -> None:
        self._check_open()
        await self._writer.submit(lambda tables: tables.keep_alive(lease))

    async def revoke(self, lease: int) -> None:
        self._check_open()
        await self._writer.submit(lambda tables: tables.revoke(lease))

    async def expire(self) -> None:
        """Ends the leases whose time is over; this happens by itself, too."""
        self._check_open()
        await self._writer.submit(lambda tables: tables.revision)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._hub.fail(Unavailable(f"store {self._path} is closed"))
        self._reader.close()
        with self._ranging:
            self._ranger.close()
        os.close(self._lock)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"store {self._path} is closed")


def open_sqlite(path: str, *, history: bool = False, clock: Clock | None = None) -> SqliteStore:
    """Opens or creates the store in the file `path`, whose directory exists. Blocks for some milliseconds.

    `history`: keep what was, for reads in the past and for watches; without it the file does not grow with changes.
    Raises Unavailable (in use, or locked), HostError (damaged), NoSpace, and Unsupported (not our file).
    """
    lock = database.lock(path)
    try:
        database.prepare(path, history=history)
        return SqliteStore(path, lock, clock or SystemClock(), history=history)
    except sqlite3.Error as error:
        os.close(lock)
        raise database.translate(path, error) from error
    except CorralError:
        os.close(lock)
        raise
