"""What is read from the tables of a store, each time from one snapshot: now, at a revision, or what happened since."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from corral.store.interface import Change, Compacted, Entry, NotYet, Page, after_prefix

SLICE = 500  # revisions that are replayed at once

_COLUMNS = "key, value, created, modified, lease"
_GET = f"SELECT {_COLUMNS} FROM entries WHERE key = ?"
_META = "SELECT name, value FROM meta"
# Between two keys (?1, ?2) as of a revision (?3), the first ?4 of them (-1: all).
_NOW = "FROM entries WHERE key >= ?1 AND key < ?2"
_ENTRIES = f"{_NOW} AND modified <= ?3"
_HISTORY = "FROM history WHERE key >= ?1 AND key < ?2 AND modified <= ?3 AND ended > ?3"
_RANGE_NOW = f"SELECT {_COLUMNS} {_NOW} ORDER BY key LIMIT ?3"
_RANGE_THEN = f"SELECT {_COLUMNS} {_ENTRIES} UNION ALL SELECT {_COLUMNS} {_HISTORY} ORDER BY key LIMIT ?4"
_COUNT_NOW = f"SELECT count(*) {_NOW}"
_COUNT_THEN = f"SELECT (SELECT count(*) {_ENTRIES}) + (SELECT count(*) {_HISTORY})"
# What happened after revision ?3 up to ?4: what came, and what went.
_SINCE = "key >= ?1 AND key < ?2 AND {0} > ?3 AND {0} <= ?4"
_CAME = " UNION ALL ".join(
    f"SELECT modified, key, value FROM {table} WHERE {_SINCE.format('modified')}" for table in ("entries", "history")
)
_WENT = f"SELECT ended, {_COLUMNS} FROM history WHERE {_SINCE.format('ended')}"

# Compares greater than all text: in SQLite a blob does.
_END = b""


def get(connection: sqlite3.Connection, key: str) -> Entry | None:
    """The entry as of now."""
    row = connection.execute(_GET, (key,)).fetchone()
    return None if row is None else Entry(*row)


def get_at(connection: sqlite3.Connection, key: str, revision: int) -> Entry | None:
    """The entry as of a revision. Compacted, NotYet."""
    entries = read_range(connection, key, key, 1, revision).entries
    return entries[0] if entries and entries[0].key == key else None


def read_range(connection: sqlite3.Connection, prefix: str, start: str, limit: int, revision: int | None) -> Page:
    """See `Store.range`. Compacted, NotYet."""
    bounds = (max(prefix, start), after_prefix(prefix) or _END)
    with _snapshot(connection) as (current, oldest):
        at = current if revision is None else revision
        if at > current:
            raise NotYet(at, current)
        if at < oldest:
            raise Compacted(at, oldest)
        now = at == current
        asked = (limit + 1 if limit else -1,)  # one more tells whether there is more
        rows = connection.execute(
            _RANGE_NOW if now else _RANGE_THEN, (*bounds, *asked) if now else (*bounds, at, *asked)
        ).fetchall()
        remaining = 0
        if limit and len(rows) > limit:
            del rows[limit:]
            counted = (_COUNT_NOW, bounds) if now else (_COUNT_THEN, (*bounds, at))
            remaining = connection.execute(*counted).fetchone()[0] - limit
    return Page([Entry(*row) for row in rows], at, remaining)


def read_changes(connection: sqlite3.Connection, prefix: str, after: int, until: int) -> tuple[list[Change], int]:
    """What happened under a prefix after a revision, and up to which one that was read. Compacted."""
    until = min(until, after + SLICE)
    bounds = (prefix, after_prefix(prefix) or _END, after, until)
    with _snapshot(connection) as (_, oldest):
        if after < oldest:
            raise Compacted(after, oldest)
        came = connection.execute(_CAME, bounds).fetchall()
        went = {(row[0], row[1]): Entry(*row[1:]) for row in connection.execute(_WENT, bounds)}
    changes = [Change(revision, key, value, went.pop((revision, key), None)) for revision, key, value in came]
    changes += [Change(revision, key, None, entry) for (revision, key), entry in went.items()]
    return sorted(changes, key=lambda change: change[:2]), until


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[tuple[int, int]]:
    """All that is read in it is of one moment. The present revision, and the oldest that can be read."""
    connection.execute("BEGIN")
    try:
        meta = dict(connection.execute(_META))
        yield meta["revision"], meta["compacted"] if meta["history"] else meta["revision"]
    finally:
        connection.execute("COMMIT")
