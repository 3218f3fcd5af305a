"""What a store in a file shows beyond the contract: what survives, and what it says of a file that it cannot use."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corral.errors import CorralError, HostError, NoSpace, Unavailable, Unsupported
from corral.kit.clock import SECOND, ManualClock
from corral.store.interface import Change, Compacted, Entry
from corral.store.sqlite import open_sqlite
from corral.store.tables import Tables
from tests.support.stores import apply, happened, keys, value, values
from tests.support.wait import eventually_async


async def test_everything_is_there_after_a_clean_close(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    first = open_sqlite(path)
    waiting = [asyncio.ensure_future(first.commit({f"k/{n}": b"%d" % n})) for n in range(50)]
    await asyncio.sleep(0)
    first.close()
    assert await asyncio.gather(*waiting) == list(range(1, 51))
    second = open_sqlite(path)
    assert len(await keys(second, "k/")) == 50
    assert await second.commit({"next": b""}) == 51
    second.close()
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


_CHILD = textwrap.dedent("""
    import asyncio, os, sys
    from corral.store.sqlite import open_sqlite

    async def work(store, name):
        n = 0
        while True:
            n += 1
            value = (b"%d " % n) * (n % 400)
            revision = await store.commit({f"{name}/{n}": value, f"last/{name}": b"%d" % n}, [f"{name}/{n - 7}"])
            os.write(1, f"{name} {n} {revision}\\n".encode())

    async def main():
        store = open_sqlite(sys.argv[1], history="history" in sys.argv)
        await asyncio.gather(*(work(store, f"w{i}") for i in range(8)))

    asyncio.run(main())
""")


def _start_child(path: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _CHILD, path, *words], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("acknowledged", [1, 2, 40, 333, 1500])
async def test_kill_9_loses_no_acknowledged_commit_and_leaves_none_half_made(tmp_path: Path, acknowledged: int) -> None:
    path = str(tmp_path / "store.db")
    last: dict[str, int] = {}
    highest = 0
    for _ in range(2):  # the second child starts from what the first one left
        last_before = highest
        lines = _kill_after(_start_child(path), acknowledged)
        last = {}
        for name, n, revision in lines:
            last[name] = n
            highest = max(highest, revision)
        assert highest > last_before
        store = open_sqlite(path)
        for name, n in last.items():
            found = int(await value(store, f"last/{name}") or 0)
            assert found >= n  # one more may have been committed but not yet acknowledged
            assert await value(store, f"{name}/{found}") == (b"%d " % found) * (found % 400)
            assert await store.get(f"{name}/{found - 7}") is None
        highest_now = await store.commit({})
        assert highest_now >= highest
        highest = highest_now
        store.close()


async def test_kill_9_leaves_no_gap_for_watches(tmp_path: Path) -> None:
    """Three owners are killed, each during a thousand writes; all that they did can be watched."""
    path = str(tmp_path / "store.db")
    known: dict[int, tuple[str, int]] = {}
    for _ in range(3):
        lines = _kill_after(_start_child(path, "history"), 1000)
        known |= {revision: (name, n) for name, n, revision in lines}
        store = open_sqlite(path, history=True)
        changes = await happened(store, "", 0, store.revision)
        assert sorted({change.revision for change in changes}) == list(range(1, store.revision + 1))
        assert apply(changes, {}) == {entry.key: entry for entry in (await store.range("")).entries}
        told = {change.revision: change for change in changes if change.key.startswith("last/")}
        for revision, (name, n) in known.items():
            assert (told[revision].key, told[revision].value) == (f"last/{name}", b"%d" % n)
        middle = store.revision // 2
        before = apply((change for change in changes if change.revision <= middle), {})
        assert before == {entry.key: entry for entry in (await store.range("", revision=middle)).entries}
        store.close()
    assert len(known) >= 3000


def _kill_after(child: subprocess.Popen[str], acknowledged: int) -> list[tuple[str, int, int]]:
    """Lets a child make so many commits and kills it; whom it told what: name, number and revision."""
    assert child.stdout
    lines = [child.stdout.readline() for _ in range(acknowledged)]
    child.kill()
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    whole = (line.split() for line in lines if line.endswith("\n"))
    return [(name, int(n), int(revision)) for name, n, revision in whole]


async def test_a_torn_log_loses_the_last_commits_alone(tmp_path: Path) -> None:
    """Whatever the write-ahead log is cut to, the store is as it was after one of its commits."""
    live, chance = tmp_path / "live.db", random.Random(2)
    store = open_sqlite(str(live), history=True)
    for n in range(60):
        await store.commit({f"k/{n % 7}": b"%d " % n * chance.randrange(900), "n": b"%d" % n}, [f"k/{(n + 3) % 7}"])
    history = await happened(store, "", 0, 60)
    data, log = live.read_bytes(), Path(f"{live}-wal").read_bytes()
    store.close()
    seen = set[int]()
    for cut in sorted({0, 31, 32, len(log), *(chance.randrange(len(log)) for _ in range(25))}):
        copy = tmp_path / f"{cut}.db"
        copy.write_bytes(data)
        Path(f"{copy}-wal").write_bytes(log[:cut])
        torn = open_sqlite(str(copy), history=True)
        now = torn.revision
        seen.add(now)
        expected = apply((change for change in history if change.revision <= now), {})
        assert {entry.key: entry for entry in (await torn.range("")).entries} == expected
        assert now == 0 or await happened(torn, "", 0, now) == [c for c in history if c.revision <= now]
        assert await torn.commit({"next": b""}) == now + 1
        torn.close()
    assert len(seen) > 10
    assert 60 in seen


_FORMAT_1 = """
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('revision', 9);
CREATE TABLE entries (
    key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL
);
INSERT INTO entries VALUES ('b', X'00ff', 2, 9), ('a', '', 3, 3);
UPDATE entries SET value = CAST(value AS BLOB);
PRAGMA application_id = 1131377266;
PRAGMA user_version = 1;
COMMIT;
"""
_ENTRIES_1 = [Entry("a", b"", 3, 3), Entry("b", b"\x00\xff", 2, 9)]


def _write_format_1(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(_FORMAT_1)
    connection.close()


@pytest.mark.parametrize("history", [False, True])
async def test_a_file_of_the_first_format_is_brought_up_to_date(tmp_path: Path, history: bool) -> None:
    path = str(tmp_path / "store.db")
    _write_format_1(path)
    for _ in range(2):
        store = open_sqlite(path, history=history)
        assert await store.range("") == (_ENTRIES_1, 9, 0)
        store.close()
    store = open_sqlite(path, history=history)
    assert await store.commit({"a": b"1"}, expect={"a": 3}) == 10
    assert await store.get("a") == Entry("a", b"1", 3, 10)
    if history:
        assert await happened(store, "", 9, 10) == [Change(10, "a", b"1", _ENTRIES_1[0])]
        with pytest.raises(Compacted):
            await store.get("a", 8)
    store.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "store.db")
    _write_format_1(path)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("corral.store.formats.keep_history", fail)
    with pytest.raises(HostError, match="disk I/O error"):
        open_sqlite(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT * FROM entries ORDER BY key").fetchall() == [
        (entry.key, entry.value, entry.created, entry.modified) for entry in _ENTRIES_1
    ]
    connection.close()


async def test_a_store_without_a_history_does_not_grow_with_changes(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = open_sqlite(path)
    for n in range(200):
        await store.commit({"a": b"%d" % n * 5000})
    with pytest.raises(Compacted):
        await store.get("a", 199)
    assert await value(store, "a", 200) == b"199" * 5000
    with pytest.raises(Unsupported, match="keeps no history"):
        store.watch("", 200)
    store.close()
    assert Path(path).stat().st_size < 200_000


async def test_a_history_begins_and_ends_with_who_opens_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    for history, first in ((True, 0), (False, 3), (True, 6), (True, 6)):
        store = open_sqlite(path, history=history)
        base = store.revision
        for n in range(3):
            await store.commit({"a": b"%d" % n})
        if history:
            assert [change.revision for change in await happened(store, "", first, base + 3)] == list(
                range(first + 1, base + 4)
            )
            if first:
                with pytest.raises(Compacted):
                    await store.range("", revision=first - 1)
        store.close()


async def test_what_is_compacted_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "store.db")
    store = open_sqlite(path, history=True)
    await asyncio.gather(*(store.commit({f"k/{n % 5}": b"%d" % n}) for n in range(3000)))
    with monkeypatch.context() as patched:
        patched.setattr(Tables, "_tidy", lambda tables: None)  # it is closed before anything is thrown away
        await store.compact(2900)
        store.close()

    def rows() -> int:
        connection = sqlite3.connect(path)
        try:
            return int(connection.execute("SELECT count(*) FROM history WHERE ended <= 2900").fetchone()[0])
        finally:
            connection.close()

    assert rows() > 0
    store = open_sqlite(path, history=True)
    await eventually_async(lambda: rows() == 0, "the rest of the history is thrown away")
    assert len(await happened(store, "", 2900, 3000)) == 100
    store.close()


async def test_leases_outlive_their_process_and_end_at_their_time(tmp_path: Path) -> None:
    path, clock = str(tmp_path / "store.db"), ManualClock(SECOND)
    store = open_sqlite(path, clock=clock)
    lease = await store.grant(10)
    await store.commit({"a": b""}, lease=lease)
    await store.commit({"b": b""})
    store.close()
    clock.advance(9 * SECOND)
    store = open_sqlite(path, clock=clock)
    await store.expire()
    assert await keys(store) == ["a", "b"]
    assert await store.grant(10) > lease
    clock.advance(SECOND)
    await store.expire()
    assert await keys(store) == ["b"]
    store.close()


async def test_only_one_process_owns_a_store_and_a_killed_owner_frees_it(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    child = _start_child(path)
    assert child.stdout
    child.stdout.readline()
    with pytest.raises(Unavailable, match=rf"in use by another process \(pid {child.pid}\)"):
        open_sqlite(path)
    child.kill()
    child.communicate()
    open_sqlite(path).close()


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 500)


def _torn_header(path: Path) -> None:
    _spoil(path, 0, 100)


def _torn_tables(path: Path) -> None:
    _spoil(path, 4096, 8000)


def _spoil(path: Path, start: int, end: int) -> None:
    open_sqlite(str(path)).close()
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * (end - start))


@pytest.mark.parametrize("spoil", [_garbage, _torn_header, _torn_tables])
async def test_a_damaged_file_is_a_clear_error(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "store.db"
    spoil(path)
    with pytest.raises(HostError, match=r"store\.db is damaged .*backup"):
        store = open_sqlite(str(path))
        try:
            await store.get("a")
            await store.range("")
        finally:
            store.close()


async def test_a_file_of_another_program_or_of_the_future_is_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(Unsupported, match="another program"):
        open_sqlite(str(tmp_path / "other.db"))
    open_sqlite(str(tmp_path / "new.db")).close()
    newer = sqlite3.connect(tmp_path / "new.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(Unsupported, match="format 99"):
        open_sqlite(str(tmp_path / "new.db"))


async def test_nothing_of_a_store_is_a_mapped_file(tmp_path: Path) -> None:
    """A disk that is too full to fill a hole in one ends whoever writes there, with SIGBUS."""
    store = open_sqlite(str(tmp_path / "store.db"), history=True)
    assert await store.commit({"a": b"1"}) == 1 and (await store.range("")).entries
    assert {path.name for path in tmp_path.iterdir()} == {"store.db", "store.db-wal", "store.db.lock"}
    store.close()


async def test_a_file_locked_by_another_program_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.store.database.BUSY_TIMEOUT", 0.05)
    path = str(tmp_path / "store.db")
    store = open_sqlite(path)
    intruder = sqlite3.connect(path, isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(store.commit({f"{n}": b""}) for n in range(5)), return_exceptions=True)
    assert all(isinstance(r, Unavailable) and "locked by another program" in r.message for r in results)
    intruder.execute("ROLLBACK")
    assert await store.commit({"a": b""}) == 1
    store.close()
    intruder.execute("PRAGMA locking_mode = EXCLUSIVE")
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another program"):
        open_sqlite(path)
    intruder.close()
    open_sqlite(path).close()


async def test_a_missing_directory_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no such file or directory"):
        open_sqlite(str(tmp_path / "missing" / "store.db"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
async def test_a_full_disk_is_no_space_and_the_store_goes_on_afterwards(small_disk: Path) -> None:
    store = open_sqlite(str(small_disk / "store.db"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(500_000))
    kept = []
    with pytest.raises(NoSpace, match="no space left on device"):
        for n in range(1000):
            await store.commit({f"k/{n}": bytes([n % 256]) * 20_000})
            kept.append(n)
    assert kept
    assert await values(store, "k/") == sorted((f"k/{n}", bytes([n % 256]) * 20_000) for n in kept)
    # One that is too large does not take those down that come with it.
    ballast.unlink()
    small, large = store.commit({"small": b"x"}), store.commit({"large": bytes(2_000_000)})
    results = await asyncio.gather(small, large, return_exceptions=True)
    assert results[0] == len(kept) + 1
    assert isinstance(results[1], NoSpace)
    store.close()
    again = open_sqlite(str(small_disk / "store.db"))
    assert await value(again, "small") == b"x"
    assert len(await keys(again, "k/")) == len(kept)
    again.close()


@pytest.mark.root
def test_a_store_cannot_be_made_on_a_full_disk(small_disk: Path) -> None:
    with pytest.raises(OSError):
        (small_disk / "ballast").write_bytes(bytes(2 << 20))
    with pytest.raises(CorralError, match="no space left on device") as caught:
        open_sqlite(str(small_disk / "store.db"))
    assert isinstance(caught.value, NoSpace)
    (small_disk / "ballast").unlink()
    open_sqlite(str(small_disk / "store.db")).close()
