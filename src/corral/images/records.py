"""Records: what the image store knows, in one SQLite file. A write is one transaction, durable when it returns.

Everything is kept in memory too, so reading never touches the disk. The file is locked: a second daemon on the same
directory is refused before it can do harm.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Sequence
from typing import NamedTuple

from corral.errors import HostError, NoSpace, Unavailable

_SCHEMA = "CREATE TABLE IF NOT EXISTS records (kind TEXT, key TEXT, value BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID"
_VERSION = 1


class Change(NamedTuple):
    """One record to write, or with None to delete. Kinds: "image", "tag", "digest", "layer", "hold"."""

    kind: str
    key: str
    value: bytes | None


class Records:
    """Blocking; `write` in a thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise self._failure(error) from error
        except HostError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        """Locks the file for as long as it is open, and makes its table. Where that is there nothing is written: on a
        full disk, what is there can be removed."""
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise HostError(f"{self._path} was written by a newer version of Corral (format {version})")
        if version == _VERSION:
            self._db.execute("SELECT 1 FROM records LIMIT 1").fetchone()
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={_VERSION}")
        self._db.execute("COMMIT")

    def read(self) -> list[tuple[str, str, bytes]]:
        """All of them: kind, key, value."""
        return list(self._db.execute("SELECT kind, key, value FROM records"))

    def write(self, changes: Sequence[Change]) -> None:
        """All or nothing. NoSpace or HostError."""
        puts = [c for c in changes if c.value is not None]
        deletes = [(c.kind, c.key) for c in changes if c.value is None]
        with self._lock:
            self._transact(puts, deletes)

    def _transact(self, puts: Sequence[Change], deletes: Sequence[tuple[str, str]]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM records WHERE kind = ? AND key = ?", deletes)
            self._db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", puts)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._failure(error) from error

    def close(self) -> None:
        self._db.close()

    def _failure(self, error: sqlite3.Error) -> HostError | Unavailable:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Unavailable(f"{self._path} is in use by another daemon")
        if name == "SQLITE_FULL":
            return NoSpace(f"write {self._path}: no space left on device", errno.ENOSPC)
        return HostError(f"{self._path}: {str(error).lower()}")
