"""What every store promises, run against each backend; and what only one that keeps files can show."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corral.errors import CorralError, HostError, InvalidInput, NoSpace, Unavailable, Unsupported
from corral.store.interface import Store
from corral.store.memory import MemoryStore
from corral.store.sqlite import open_sqlite


async def keys(store: Store, prefix: str = "") -> list[str]:
    return [entry.key for entry in (await store.range(prefix)).entries]


async def value(store: Store, key: str) -> bytes | None:
    entry = await store.get(key)
    return entry.value if entry else None


async def values(store: Store, prefix: str = "") -> list[tuple[str, bytes]]:
    return [(entry.key, entry.value) for entry in (await store.range(prefix)).entries]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else open_sqlite(str(tmp_path / "store.db"))
    yield made
    made.close()


async def test_nothing_is_there_at_first(store: Store) -> None:
    assert await store.get("a") is None
    assert await keys(store) == []
    assert await store.commit({}) == 0


async def test_a_commit_puts_and_deletes_together_and_counts_revisions(store: Store) -> None:
    assert await store.commit({"a": b"1", "b": b"2"}) == 1
    assert await store.commit({"c": b"3"}, ["a", "never-there"]) == 2
    assert await store.get("a") is None
    assert await values(store) == [("b", b"2"), ("c", b"3")]
    assert await store.commit({}, []) == 2


async def test_a_value_may_be_empty_and_any_bytes(store: Store) -> None:
    await store.commit({"empty": b"", "all": bytes(range(256)) * 1000})
    assert await value(store, "empty") == b""
    assert await value(store, "all") == bytes(range(256)) * 1000


async def test_a_range_takes_exactly_the_prefix_in_order_of_code_points(store: Store) -> None:
    made = ["p/", "p/z", "p/a", "p", "p0", "p/\U0010ffff", "p/é", "P/a", "p/%", "p/_", "\ud7ffx", "\ue000"]
    await store.commit({key: key.encode() for key in made})
    assert await keys(store, "p/") == ["p/", "p/%", "p/_", "p/a", "p/z", "p/é", "p/\U0010ffff"]
    assert await keys(store, "p/\U0010ffff") == ["p/\U0010ffff"]
    assert await keys(store, "\ud7ff") == ["\ud7ffx"]
    assert await keys(store) == sorted(made)


async def test_the_callers_collections_stay_the_callers(store: Store) -> None:
    puts, deletes = {"a": b"1"}, ["b"]
    waiting = asyncio.ensure_future(store.commit(puts, iter(deletes)))
    await asyncio.sleep(0)
    puts["c"] = b"2"
    await waiting
    assert await values(store) == [("a", b"1")]


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", 7, None])
async def test_a_bad_key_is_refused_and_nothing_changes(store: Store, key: str) -> None:
    with pytest.raises(InvalidInput):
        await store.commit({"good": b"", key: b""})
    with pytest.raises(InvalidInput):
        await store.commit({"good": b""}, [key])
    assert await keys(store) == []


async def test_a_bad_commit_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="both put and deleted"):
        await store.commit({"a": b""}, ["a"])
    with pytest.raises(InvalidInput, match="not bytes"):
        await store.commit({"a": "text"})  # type: ignore[dict-item]
    with pytest.raises(InvalidInput, match="more than"):
        await store.commit({"a": bytes((64 << 20) + 1)})


async def test_many_commits_at_once_each_have_a_revision_and_the_order_they_were_made_in(store: Store) -> None:
    revisions = await asyncio.gather(*(store.commit({"last": b"%d" % n, f"k/{n}": b""}) for n in range(700)))
    assert revisions == list(range(1, 701))
    assert await value(store, "last") == b"699"
    assert len(await keys(store, "k/")) == 700


async def test_a_cancelled_waiter_disturbs_nobody(store: Store) -> None:
    tasks = [asyncio.ensure_future(store.commit({f"k/{n}": b""})) for n in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [r for r in results if not isinstance(r, BaseException)]
    assert len(await keys(store, "k/")) == 10


async def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    for call in (store.get("a"), store.range(""), store.commit({"a": b""})):
        with pytest.raises(Unavailable, match="closed"):
            await call


# --- files ---------------------------------------------------------------------------------------------------


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
        store = open_sqlite(sys.argv[1])
        await asyncio.gather(*(work(store, f"w{i}") for i in range(8)))

    asyncio.run(main())
""")


def _start_child(path: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _CHILD, path], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("acknowledged", [1, 2, 40, 333, 1500])
async def test_kill_9_loses_no_acknowledged_commit_and_leaves_none_half_made(tmp_path: Path, acknowledged: int) -> None:
    path = str(tmp_path / "store.db")
    last: dict[str, int] = {}
    highest = 0
    for _ in range(2):  # the second child starts from what the first one left
        last_before = highest
        child = _start_child(path)
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(acknowledged)]
        child.kill()
        lines += child.stdout.readlines()
        child.wait()
        child.stdout.close()
        last = {}
        for line in (line for line in lines if line.endswith("\n")):
            name, n, revision = line.split()
            last[name] = int(n)
            highest = max(highest, int(revision))
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
