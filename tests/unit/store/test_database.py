"""SQLite's errors in our words."""

from __future__ import annotations

import sqlite3

import pytest

from corral.errors import HostError, NoSpace, Unavailable
from corral.store.database import translate


@pytest.mark.parametrize(
    ("code", "words", "meant"),
    [
        (sqlite3.SQLITE_FULL, "database or disk is full", NoSpace),
        (sqlite3.SQLITE_IOERR_SHMSIZE, "disk I/O error", NoSpace),
        (sqlite3.SQLITE_IOERR_READ, "disk I/O error", HostError),
        (sqlite3.SQLITE_BUSY, "database is locked", Unavailable),
    ],
)
def test_words(code: int, words: str, meant: type[Exception]) -> None:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    assert type(translate("/x.db", error)) is meant
