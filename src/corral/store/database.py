"""The SQLite file behind a store: who owns it, how it is opened, and SQLite's errors in our words."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from urllib.parse import quote

from corral.errors import HostError, NoSpace, Unavailable, Unsupported, from_oserror
from corral.kit.durable import sync_directory
from corral.store import formats
from corral.store.formats import APPLICATION, FORMAT

BUSY_TIMEOUT = 5.0  # seconds that a program such as `sqlite3` may hold the file before we give up


def translate(path: str, error: sqlite3.Error) -> HostError | Unavailable:
    """Pure: an error of SQLite as ours, naming the file and what to do.

    >>> full = sqlite3.OperationalError("database or disk is full"); full.sqlite_errorcode = sqlite3.SQLITE_FULL
    >>> translate("/x.db", full)
    NoSpace('write store /x.db: no space left on device')
    """
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    # The second: no room for the index of the write-ahead log, which SQLite calls a "disk I/O error".
    if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_SHMSIZE:
        return NoSpace(f"write store {path}: no space left on device", errno.ENOSPC)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(f"store {path} is locked by another program; close it and try again")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return HostError(f"store {path} is damaged ({error}); move it away or put a backup in its place", errno.EIO)
    if code == sqlite3.SQLITE_READONLY:
        return HostError(f"store {path} cannot be written: {error}", errno.EROFS)
    return HostError(f"store {path}: {error}", errno.EIO)


def lock(path: str) -> int:
    """Makes this process the only owner of the store until the returned descriptor is closed.

    SQLite itself would let two daemons write in turns. Raises Unavailable (somebody else owns it) and HostError.
    """
    try:
        fd = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_oserror(f"open store {path}", error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        _write_pid(fd)
    except BlockingIOError:
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise Unavailable(f"store {path} is in use by another process (pid {owner})") from None
    except OSError as error:
        os.close(fd)
        raise from_oserror(f"lock store {path}", error) from error
    return fd


def _write_pid(fd: int) -> None:
    """For messages alone: the lock holds without it, and what is in a store on a full disk can be removed."""
    try:
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def open_file(path: str) -> sqlite3.Connection:
    """A connection in autocommit mode to a file that this process owns: another one is told that it is locked.

    The index of the write-ahead log is in this process's memory, not in a mapped file. That file has holes, and where
    the disk is too full to fill one, whoever writes there is killed (SIGBUS); seen with blocks of 1 KB.
    """
    place = f"file:{quote(os.path.abspath(path))}?vfs=unix-excl"
    return sqlite3.connect(place, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)


def connect(path: str) -> sqlite3.Connection:
    """A connection in autocommit mode whose transactions are durable when COMMIT returns."""
    connection = open_file(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def prepare(path: str, *, history: bool) -> None:
    """Creates the file and its tables, or checks those that are there and brings them up to date.

    The caller owns the lock. `history`: whether it is to be kept from now on.

    Raises HostError (damaged), Unsupported (another program's or a newer Corral's file), NoSpace, Unavailable.
    """
    # A clean close removes the write-ahead log: one that is left says that the last owner was killed.
    killed = _size(path + "-wal") > 0
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = open_file(path)
        try:
            found = _check(path, connection, thorough=killed)
            _update(connection, found, history)
        finally:
            connection.close()
        sync_directory(os.path.dirname(os.path.abspath(path)))
    except sqlite3.Error as error:
        raise translate(path, error) from error
    except OSError as error:
        raise from_oserror(f"open store {path}", error) from error


def _check(path: str, connection: sqlite3.Connection, *, thorough: bool) -> int:
    """The format of the file; 0 if it is empty."""

    def pragma(name: str) -> int:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return 0
    if pragma("application_id") != APPLICATION:
        raise Unsupported(f"{path} is a database of another program")
    if (found := pragma("user_version")) > FORMAT:
        raise Unsupported(f"store {path} has format {found}, this version of Corral reads up to {FORMAT}")
    if thorough:
        problem = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if problem != "ok":
            raise HostError(f"store {path} is damaged ({problem}); move it away or put a backup in its place")
    return found


def _update(connection: sqlite3.Connection, found: int, history: bool) -> None:
    """One transaction: whoever is killed in it, or finds the disk full, leaves the file as it was."""
    run = connection.execute
    run("PRAGMA journal_mode = WAL")
    run("PRAGMA synchronous = FULL")
    run("BEGIN IMMEDIATE")
    try:
        if not found:
            formats.create(run)
        else:
            formats.migrate(run, found)
        formats.keep_history(run, history)
        run("COMMIT")
    except BaseException:
        if connection.in_transaction:
            run("ROLLBACK")
        raise


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
