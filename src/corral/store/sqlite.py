"""The store on one machine: a SQLite file, written by one thread that joins waiting commits into one transaction.

A commit costs one fsync; a hundred that come together cost one too, because each group is one transaction.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping

from corral.errors import CorralError, Unavailable
from corral.store import database
from corral.store.interface import Changes, after_prefix
from corral.store.writer import Writer

_GET = "SELECT value FROM entries WHERE key = ?"
_ALL = "SELECT key, value FROM entries ORDER BY key"
_FROM = "SELECT key, value FROM entries WHERE key >= ? ORDER BY key"
_BETWEEN = "SELECT key, value FROM entries WHERE key >= ? AND key < ? ORDER BY key"


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

    async def get(self, key: str) -> bytes | None:
        self._check_open()
        try:
            row = self._reader.execute(_GET, (key,)).fetchone()
        except sqlite3.Error as error:
            raise database.translate(self._path, error) from error
        return None if row is None else row[0]

    async def range(self, prefix: str) -> list[tuple[str, bytes]]:
        return await asyncio.to_thread(self._range, prefix)

    def _range(self, prefix: str) -> list[tuple[str, bytes]]:
        end = after_prefix(prefix)
        with self._ranging:
            self._check_open()
            try:
                if end is not None:
                    return self._ranger.execute(_BETWEEN, (prefix, end)).fetchall()
                return self._ranger.execute(_FROM, (prefix,)).fetchall() if prefix else self._everything()
            except sqlite3.Error as error:
                raise database.translate(self._path, error) from error

    def _everything(self) -> list[tuple[str, bytes]]:
        return self._ranger.execute(_ALL).fetchall()

    async def commit(self, puts: Mapping[str, bytes], deletes: Iterable[str] = ()) -> int:
        self._check_open()
        return await self._writer.submit(Changes(puts, deletes))

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
