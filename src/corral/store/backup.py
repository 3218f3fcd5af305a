"""Backups: everything in a store as of one revision, in one file; and such a file put back into a store that runs.

A backup is a store's file without a history, with a table `backup` beside the others that says how many entries there
are and what their digest is. So it can also take the place of the file of a daemon that does not run. What a lease
holds is of the moment (a lock, an event) and is left out; where it is, it is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from corral.errors import InvalidInput, Unavailable, from_oserror
from corral.kit.durable import sync_directory
from corral.store import database, formats
from corral.store.interface import Entry, Mismatch, Store

P = ParamSpec("P")
T = TypeVar("T")
PAGE = 500
ATTEMPTS = 10


class Digest(Protocol):
    """What `hashlib` makes."""

    def update(self, data: bytes, /) -> None: ...


class Backup(NamedTuple):
    """What a backup holds, and the revision that it is of."""

    revision: int
    values: dict[str, bytes]


class Summary(NamedTuple):
    """What was done: how many entries are in the backup or were put and deleted, and at which revision."""

    revision: int
    entries: int
    deleted: int = 0


class Step(NamedTuple):
    """One commit of a restore."""

    puts: dict[str, bytes]
    deletes: list[str]
    expect: dict[str, int]


# --- writing ---


async def write_backup(store: Store, path: str) -> Summary:
    """Writes everything, as of now, to the file `path`, while the store goes on; the file is there whole or not at all.

    It is read again before it gets its name. Raises NoSpace, HostError, what the store raises, and Compacted if
    writing takes so long that the revision has gone meanwhile.
    """
    folder, name = os.path.split(os.path.abspath(path))
    with _errors(path):
        place = tempfile.mkdtemp(prefix=f".{name}-", dir=folder)
    partial = f"{place}/{name}"
    try:
        with contextlib.closing(_Drawer(partial)) as drawer:
            drawer.open()
            async for entries, revision in _pages(store):
                await _thread(drawer.add, entries, revision)
            await _thread(drawer.finish)
        written = await _thread(read_backup, partial)
        await _thread(_give_name, partial, path)
    finally:
        shutil.rmtree(place)
    return Summary(written.revision, len(written.values))


async def _thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a thread. Who is cancelled waits for its end: the file is not taken away from under it."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _pages(store: Store) -> AsyncIterator[tuple[list[Entry], int]]:
    page = await store.range("", limit=PAGE)
    yield page.entries, page.revision
    while page.remaining:
        page = await store.range("", start=page.entries[-1].key + "\0", limit=PAGE, revision=page.revision)
        yield page.entries, page.revision


class _Drawer:
    """The file that a backup is written to."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._digest, self._count, self._revision = hashlib.sha256(), 0, 0
        with _errors(path):
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def open(self) -> None:
        with _errors(self._path):
            os.chmod(self._path, 0o600)
            self._connection.execute("BEGIN")
            formats.create(self._connection.execute)
            self._connection.execute("CREATE TABLE backup (entries INTEGER NOT NULL, digest TEXT NOT NULL)")

    def add(self, entries: Iterable[Entry], revision: int) -> None:
        lasting = [entry for entry in entries if not entry.lease]
        self._revision, self._count = revision, self._count + len(lasting)
        for entry in lasting:
            _feed(self._digest, entry.key, entry.value)
        with _errors(self._path):
            self._connection.executemany(
                "INSERT INTO entries (key, value, created, modified, lease) VALUES (?, ?, ?, ?, ?)", lasting
            )

    def finish(self) -> None:
        with _errors(self._path):
            run = self._connection.execute
            run("INSERT INTO backup VALUES (?, ?)", (self._count, self._digest.hexdigest()))
            run("UPDATE meta SET value = ? WHERE name IN ('revision', 'compacted')", (self._revision,))
            run("COMMIT")

    def close(self) -> None:
        self._connection.close()


def _feed(digest: Digest, key: str, value: bytes) -> None:
    name = key.encode()
    digest.update(b"%d %d " % (len(name), len(value)) + name + value)


def _give_name(partial: str, path: str) -> None:
    with _errors(path):
        fd = os.open(partial, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(partial, path)
        sync_directory(os.path.dirname(os.path.abspath(path)))


@contextlib.contextmanager
def _errors(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise database.translate(path, error) from error
    except OSError as error:
        raise from_oserror(f"write backup {path}", error) from error


# --- reading ---


def read_backup(path: str, name: str = "") -> Backup:
    """What is in the backup `path`, checked to be what was written. InvalidInput (none, or damaged), HostError.

    `name`: what errors call it, where whoever reads them knows no such path.
    """
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise from_oserror(f"read backup {path}", error) from error
    connection = sqlite3.connect(f"file:{_escape(path)}?mode=ro&immutable=1", uri=True)
    try:
        return _read(name or path, connection)
    except sqlite3.DatabaseError as error:
        raise InvalidInput(f"{name or path} is not a backup, or is damaged ({error})") from error
    finally:
        connection.close()


def _read(name: str, connection: sqlite3.Connection) -> Backup:
    def one(query: str) -> int:
        return int(connection.execute(query).fetchone()[0])

    known = one("PRAGMA application_id") == formats.APPLICATION
    if not known or not one("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'backup'"):
        raise InvalidInput(f"{name} is not a backup that Corral has made")
    if (found := one("PRAGMA user_version")) > formats.FORMAT:
        raise InvalidInput(f"backup {name} has format {found}, this version of Corral reads up to {formats.FORMAT}")
    values, digest = dict[str, bytes](), hashlib.sha256()
    for key, value in connection.execute("SELECT key, value FROM entries ORDER BY key"):
        values[key] = value
        _feed(digest, key, value)
    if connection.execute("SELECT entries, digest FROM backup").fetchall() != [(len(values), digest.hexdigest())]:
        raise InvalidInput(f"backup {name} is damaged: its contents do not have the digest that was noted")
    return Backup(one("SELECT value FROM meta WHERE name = 'revision'"), values)


def _escape(path: str) -> str:
    return os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


# --- putting back ---


async def restore_backup(store: Store, backup: Backup) -> Summary:
    """Makes a running store what the backup says; whoever watches sees it happen. Revisions go on, none is reused.

    One commit where the store has room for it (files always do): all or nothing. Writers that come in between are
    noticed, and it is done again. Raises Unavailable if there are too many of them, and what the store raises.
    """
    put = deleted = 0
    for _ in range(ATTEMPTS):
        page = await store.range("")
        steps = plan_restore(backup.values, page.entries, *store.room)
        revision = page.revision
        try:
            for step in steps:
                revision = await store.commit(step.puts, step.deletes, expect=step.expect)
                put, deleted = put + len(step.puts), deleted + len(step.deletes)
        except Mismatch:
            continue
        if revision == page.revision + len(steps):
            return Summary(revision, put, deleted)
    raise Unavailable("the store changes all the time while it is restored; stop its clients and try again")


def plan_restore(wanted: Mapping[str, bytes], present: Iterable[Entry], changes: int, size: int) -> list[Step]:
    """Pure: the commits that make what is there what is wanted, each with at most so many changes and bytes.

    >>> there = [Entry("a", b"1", 1, 1), Entry("b", b"1", 1, 5), Entry("c", b"1", 1, 1), Entry("d", b"", 6, 6, 99)]
    >>> plan_restore({"a": b"1", "b": b"2", "e": b"3"}, there, 100, 1000)
    [Step(puts={'b': b'2', 'e': b'3'}, deletes=['c'], expect={'c': 1, 'b': 5, 'e': 0})]
    >>> [list(step.expect) for step in plan_restore({"a": b"1", "b": b"2", "e": b"3"}, there, 2, 1000)]
    [['c', 'b'], ['e']]
    """
    found = {entry.key: entry for entry in present}
    gone = [entry.key for entry in found.values() if entry.key not in wanted and not entry.lease]
    puts = {
        key: value for key, value in wanted.items() if key not in found or found[key].value != value or found[key].lease
    }
    steps: list[Step] = []
    taken = 0
    for key in (*gone, *puts):
        weight = len(key.encode()) * 2 + len(puts.get(key, b"")) + 64
        if not steps or len(steps[-1].expect) >= changes or taken + weight > size:
            steps.append(Step({}, [], {}))
            taken = 0
        step, taken = steps[-1], taken + weight
        step.expect[key] = found[key].modified if key in found else 0
        if key in puts:
            step.puts[key] = puts[key]
        else:
            step.deletes.append(key)
    return steps
