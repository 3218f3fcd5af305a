"""The tables of a store's file, and how an older file becomes one of today's.

`entries` has one row for each live key. `history` has the rows that were there before: a row moves there when its key
is changed or deleted, with the revision at which it `ended`. So a value is written once when it comes and once when it
goes, and the state as of revision R is: the entries of R or before, and the history of R or before that ended after R.
`meta` has the last revision, the oldest that can be read, and whether there is a history at all. Values stand last in
their rows: a query that does not want them need not walk through them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

FORMAT = 2
APPLICATION = 0x436F7272  # "Corr": tells our files from other programs' databases

_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('revision', 0), ('compacted', 0), ('history', 0)",
    """CREATE TABLE entries (
        key TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, modified INTEGER NOT NULL, lease INTEGER NOT NULL,
        value BLOB NOT NULL
    )""",
    "CREATE INDEX entries_lease ON entries (lease) WHERE lease != 0",
    """CREATE TABLE history (
        key TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL, lease INTEGER NOT NULL,
        ended INTEGER NOT NULL, value BLOB NOT NULL
    )""",
    "CREATE INDEX history_key ON history (key, ended)",
    "CREATE INDEX history_ended ON history (ended)",
    "CREATE INDEX history_modified ON history (modified)",
    # seconds: how long it was granted for; deadline: when it is over, in nanoseconds since the epoch
    "CREATE TABLE leases (id INTEGER PRIMARY KEY AUTOINCREMENT, seconds INTEGER NOT NULL, deadline INTEGER NOT NULL)",
)


def create(run: Callable[[str], sqlite3.Cursor]) -> None:
    """Makes the tables of today in an empty file, inside the caller's transaction."""
    for statement in _TABLES:
        run(statement)
    run(f"PRAGMA application_id = {APPLICATION}")
    run(f"PRAGMA user_version = {FORMAT}")


def migrate(run: Callable[[str], sqlite3.Cursor], found: int) -> None:
    """Brings an older format up to today's, inside the caller's transaction: all of it or nothing."""
    if found == 1:  # entries (key, value, created, modified) and meta with the revision alone
        run("ALTER TABLE entries RENAME TO entries_1")
        run("ALTER TABLE meta RENAME TO meta_1")
        create(run)
        run("INSERT INTO entries SELECT key, created, modified, 0, value FROM entries_1 ORDER BY key")
        run("UPDATE meta SET value = (SELECT value FROM meta_1 WHERE name = 'revision') WHERE name != 'history'")
        run("DROP TABLE entries_1")
        run("DROP TABLE meta_1")


def keep_history(run: Callable[[str], sqlite3.Cursor], wanted: bool) -> None:
    """Begins or ends the history, inside the caller's transaction. Where it begins, nothing older can be read."""
    (kept,) = run("SELECT value FROM meta WHERE name = 'history'").fetchone()
    if wanted == bool(kept):
        return
    if wanted:
        run("CREATE INDEX entries_modified ON entries (modified)")
        run("UPDATE meta SET value = (SELECT value FROM meta WHERE name = 'revision') WHERE name = 'compacted'")
    else:
        run("DROP INDEX entries_modified")
        run("DELETE FROM history")
    run(f"UPDATE meta SET value = {int(wanted)} WHERE name = 'history'")
