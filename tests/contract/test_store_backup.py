"""Backups: of one moment, checked, whole or not there, and put back into a store that runs; from and to any backend."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral.daemon.cluster_copies import ClusterCopies
from corral.errors import CorralError, InvalidInput, NoSpace, Unavailable
from corral.store.backup import Backup, read_backup, restore_backup, write_backup
from corral.store.interface import Entry, Store
from corral.store.memory import MemoryStore
from corral.store.sqlite import open_sqlite
from tests.support.stores import apply, happened, keys, values


async def _fill(store: Store, count: int) -> dict[str, bytes]:
    made = {f"/registry/core/pods/ns{n % 7}/{n}é": bytes([n % 256]) * (n % 300) for n in range(count)}
    items = list(made.items())
    await asyncio.gather(*(store.commit(dict(items[n : n + 50])) for n in range(0, count, 50)))
    return made


async def test_a_backup_brings_back_what_was_there(store: Store, tmp_path: Path) -> None:
    made = await _fill(store, 1300)
    path = str(tmp_path / "backup")
    done = await write_backup(store, path)
    assert done == (store.revision, 1300, 0)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir() if "backup" in file.name] == ["backup"]
    some = list(made)
    await store.commit({"new": b"1", some[0]: b"changed"}, some[1:80])
    base = store.revision
    backup = await asyncio.to_thread(read_backup, path)
    restored = await restore_backup(store, backup)
    assert (restored.entries, restored.deleted) == (80, 1)
    assert restored.revision == store.revision > base
    assert await values(store) == sorted(made.items())
    before = {entry.key: entry for entry in (await store.range("", revision=base)).entries}
    changes = await happened(store, "", base, restored.revision)
    assert apply(changes, before) == {entry.key: entry for entry in (await store.range("")).entries}
    assert await restore_backup(store, backup) == (restored.revision, 0, 0)  # nothing is left to do


async def test_a_backup_of_one_backend_goes_into_another(store: Store, tmp_path: Path) -> None:
    made = await _fill(store, 60)
    await write_backup(store, str(tmp_path / "backup"))
    other = MemoryStore()
    await restore_backup(other, read_backup(str(tmp_path / "backup")))
    assert await values(other) == sorted(made.items())
    other.close()


async def test_a_backup_is_of_one_moment_while_many_write(local: Store, tmp_path: Path) -> None:
    """All keys always have the same value: a backup that mixed two moments would show two."""
    names = [f"k/{n}" for n in range(1500)]
    await local.commit(dict.fromkeys(names, b"0"))
    left = 0  # commits: what is written stays in memory, however long the disk takes for the backup
    more = asyncio.Event()

    class Read:
        """The store, in which others write while it is read: some commits at each list."""

        def __getattr__(self, name: str) -> object:
            return getattr(local, name)

        async def range(self, *args: Any, **kwargs: Any) -> object:
            nonlocal left
            left = 20
            more.set()
            return await local.range(*args, **kwargs)

    async def write() -> None:
        nonlocal left
        n = 0
        while await more.wait():
            n, left = n + 1, left - 1
            await local.commit(dict.fromkeys(names, b"%d" % n))
            await asyncio.sleep(0)
            if not left:
                more.clear()

    writer = asyncio.ensure_future(write())
    before = local.revision
    for n in range(3):
        await write_backup(Read(), str(tmp_path / f"{n}"))  # type: ignore[arg-type]
    writer.cancel()
    await asyncio.wait([writer])
    assert local.revision >= before + 3
    for n in range(3):
        backup = read_backup(str(tmp_path / f"{n}"))
        assert sorted(backup.values) == sorted(names)
        assert len(set(backup.values.values())) == 1


async def test_what_a_lease_holds_is_of_the_moment(store: Store, tmp_path: Path) -> None:
    lease = await store.grant(600)
    await store.commit({"lock": b"", "event": b"old"}, lease=lease)
    await store.commit({"object": b"1"})
    done = await write_backup(store, str(tmp_path / "backup"))
    assert done.entries == 1
    await store.commit({"event": b"new"}, ["lock"], lease=lease)
    await restore_backup(store, read_backup(str(tmp_path / "backup")))
    assert await values(store) == [("event", b"new"), ("object", b"1")]


async def test_commits_in_between_are_noticed(store: Store) -> None:
    class Busy:
        """A store in which somebody writes after each list."""

        def __init__(self, left: int) -> None:
            self.left = left

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        async def range(self, prefix: str) -> object:
            page = await store.range(prefix)
            if self.left:
                self.left -= 1
                await store.commit({f"intruder/{self.left}": b"", "a": b"%d" % self.left})
            return page

    backup = Backup(1, {"a": b"wanted", "b": b"wanted"})
    await restore_backup(Busy(3), backup)  # type: ignore[arg-type]
    assert await values(store) == [("a", b"wanted"), ("b", b"wanted")]
    with pytest.raises(Unavailable, match="changes all the time"):
        await restore_backup(Busy(1000), Backup(1, {"a": b"another"}))  # type: ignore[arg-type]


async def test_a_damaged_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    store, chance = MemoryStore(), random.Random(3)
    made = await _fill(store, 300)
    path = tmp_path / "backup"
    await write_backup(store, str(path))
    whole = path.read_bytes()
    refused = 0
    for _ in range(150):
        at = chance.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
        try:
            assert read_backup(str(path)).values == made  # a bit that means nothing
        except CorralError as error:
            assert isinstance(error, InvalidInput)
            refused += 1
    assert refused > 50
    for spoilt in (b"", b"text", whole[: len(whole) // 2], whole[:4096]):
        path.write_bytes(spoilt)
        with pytest.raises(InvalidInput, match=r"not a backup|damaged"):
            read_backup(str(path))
    open_sqlite(str(tmp_path / "store.db")).close()
    with pytest.raises(InvalidInput, match="not a backup that Corral has made"):
        read_backup(str(tmp_path / "store.db"))
    store.close()


async def test_a_backup_can_take_the_place_of_a_stores_file(tmp_path: Path) -> None:
    store = MemoryStore()
    await store.commit({"a": b"0"})
    await store.commit({"a": b"1", "b": b""})
    await write_backup(store, str(tmp_path / "store.db"))
    store.close()
    again = open_sqlite(str(tmp_path / "store.db"), history=True)
    assert await again.range("") == ([Entry("a", b"1", 1, 2), Entry("b", b"", 2, 2)], 2, 0)
    assert await again.commit({"c": b""}, expect={"a": 2}) == 3
    again.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
async def test_a_backup_that_has_no_room_leaves_nothing(small_disk: Path) -> None:
    store = MemoryStore()
    await store.commit({f"{n}": bytes(20_000) for n in range(30)})
    with pytest.raises(NoSpace):
        await write_backup(store, str(small_disk / "backup"))
    assert list(small_disk.iterdir()) == []
    store.close()


async def test_a_backup_that_is_given_up_leaves_nothing(local: Store, tmp_path: Path) -> None:
    await _fill(local, 2000)
    folder = tmp_path / "backups"
    folder.mkdir()
    for turns in range(40):
        writing = asyncio.ensure_future(write_backup(local, str(folder / "backup")))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        (outcome,) = await asyncio.gather(writing, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError) == (list(folder.iterdir()) == [])


async def test_the_daemon_sends_and_takes_backups_and_leaves_no_files(tmp_path: Path) -> None:
    store = MemoryStore()
    made = await _fill(store, 700)
    copies = ClusterCopies(store, str(tmp_path))
    file, size, told = await copies.backup()
    data = file.read()
    file.close()
    assert (len(data), told.Revision, told.Entries) == (size, store.revision, 700)
    assert list(tmp_path.iterdir()) == []

    async def pieces(of: bytes):  # type: ignore[no-untyped-def]
        for at in range(0, len(of), 5000):
            yield of[at : at + 5000]

    await store.commit({}, made)
    with pytest.raises(InvalidInput):
        await copies.restore(pieces(data[:-5000]))
    assert await keys(store) == []
    restored = await copies.restore(pieces(data))
    assert (restored.Entries, restored.Deleted, restored.Revision) == (700, 0, store.revision)
    assert await values(store) == sorted(made.items())
    assert list(tmp_path.iterdir()) == []
    store.close()
