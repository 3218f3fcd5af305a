"""Records in memory and in the store: the same after every change, also after one that failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from corral.errors import NoSpace
from corral.registry.records import Blob, Manifest, Record, Tag, blob_key, digests_on_disk, manifest_key, tag_key
from corral.registry.repositories import Repositories
from corral.store.memory import MemoryStore
from corral.store.sqlite import open_sqlite


class FullStore(MemoryStore):
    """A disk that is full once `full` is set."""

    full = False

    async def commit(self, puts: Mapping[str, bytes], deletes: Iterable[str] = (), **rest: Any) -> int:
        if self.full:
            raise NoSpace("no space left on device")
        return await super().commit(puts, deletes, **rest)


MANIFEST = Manifest("t", 1, 2, ("b",), (), (), "subject", "kind", {"a": "b"})
RECORDS: dict[str, Record] = {
    blob_key("a/b", "b"): Blob(3, 4),
    manifest_key("a/b", "m"): MANIFEST,
    tag_key("a/b", "x"): Tag("m", 5),
    blob_key("c", "b"): Blob(3, 4),
}


def state(found: Repositories) -> dict[str, object]:
    return {
        name: (
            dict(one.blobs),
            dict(one.manifests),
            dict(one.tags),
            {key: list(value) for key, value in one.referrers.items()},
        )
        for name, one in found.by_name.items()
    } | {"held": sorted(found.held())}


async def test_loaded_again_they_are_the_same() -> None:
    store = MemoryStore()
    first = Repositories(store)
    await first.change(RECORDS)
    assert state(await Repositories.load(store)) == state(first)
    assert first.by_name["a/b"].referrers == {"subject": {"m": None}}
    assert sorted(first.held()) == ["b", "m"] and sorted(first.having("b")) == ["a/b", "c"]


async def test_what_is_deleted_leaves_nothing() -> None:
    found = Repositories(MemoryStore())
    await found.change(RECORDS)
    await found.change({}, [blob_key("a/b", "b"), blob_key("nowhere", "x")])
    assert sorted(found.held()) == ["b", "m"]
    await found.change({}, list(RECORDS))
    assert state(found) == {"held": []}


async def test_a_change_that_fails_is_taken_back() -> None:
    store = FullStore()
    found = Repositories(store)
    await found.change(RECORDS)
    before = state(found)
    store.full = True
    with pytest.raises(NoSpace):
        await found.change(
            {tag_key("a/b", "x"): Tag("other", 9), blob_key("new", "n"): Blob(1, 1)}, [blob_key("c", "b")]
        )
    assert state(found) == before


async def test_the_needs_of_a_registry_that_is_not_open(tmp_path: Path) -> None:
    path = str(tmp_path / "registry.db")
    assert digests_on_disk(path) == []
    store = open_sqlite(path)
    await Repositories(store).change(RECORDS)
    assert set(digests_on_disk(path)) == {"b", "m"}
    store.close()
    assert set(digests_on_disk(path)) == {"b", "m"}
