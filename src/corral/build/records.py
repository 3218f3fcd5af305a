"""Records: what builds have made, so that it need not be made again; in a database of the builds' own.

A record names a layer, and keeps it: the image store deletes no layer that is kept here (`Images.keep`), and frees
the disk when the record goes. A record whose layer is gone, or a layer that is kept for no record, is what a crash
between the two left; opening removes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from corral.images import Images
from corral.kit.tasks import Tasks
from corral.model.container import Struct
from corral.store.interface import Store
from corral.store.sqlite import open_sqlite

KEPT = "build/"
_STEP, _MEMO = "step/", "memo/"
_MOST = 50_000  # memos, of about 200 bytes


class Record(Struct):
    """One step's result. `chain` is the top of its layers, `diff` and `size` are those of its own one. Times in
    nanoseconds."""

    key: str
    chain: str
    diff: str
    size: int
    created: int
    description: str
    used: int = 0
    count: int = 0
    kind: str = "regular"


class Records:
    """All of them, in memory too. Made by `open`. Writing is behind: what a crash loses is made again."""

    def __init__(self, images: Images, store: Store) -> None:
        self._images, self._store = images, store
        self._records: dict[str, Record] = {}
        self._memos: dict[str, str] = {}
        self._behind: list[Record] = []
        self._writing = Tasks()
        self._turn = asyncio.Lock()
        self.grown = False  # since somebody last looked

    @classmethod
    async def open(cls, images: Images, path: str) -> Records:
        """Those in the file `path`. Unavailable, HostError."""
        records = cls(images, open_sqlite(path))
        await records._load()
        return records

    async def _load(self) -> None:
        memos = await self._store.range(_MEMO)
        self._memos = {entry.key.removeprefix(_MEMO): entry.value.decode() for entry in memos.entries}
        kept = self._images.kept(KEPT)
        gone = []
        for entry in (await self._store.range(_STEP)).entries:
            record = msgspec.json.decode(entry.value, type=Record)
            if kept.get(KEPT + record.key) == record.chain:
                self._records[record.key] = record
            else:
                gone.append(entry.key)
        if gone:
            await self._store.commit({}, gone)
        await self._images.unkeep(name for name in kept if name.removeprefix(KEPT) not in self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def find(self, key: str) -> Record | None:
        """Its layers are there; the caller holds them before it waits for anything."""
        record = self._records.get(key)
        return record if record and (not record.chain or self._images.layers.get(record.chain)) else None

    def add(self, record: Record) -> None:
        """The layer is there, and held until this returns: from then on the record holds it."""
        self._records[record.key], self.grown = record, True
        self._images.layers.hold(record.chain)
        self._behind.append(record)
        if len(self._behind) == 1:
            self._writing.start("build records", self._catch_up())

    async def _catch_up(self) -> None:
        """Writes what is behind, all at once: while one batch is synced the next one gathers."""
        async with self._turn:
            batch, self._behind = self._behind, []
            try:
                valid = {record.key: record for record in batch if self._records.get(record.key) is record}
                await self._images.keep({KEPT + key: record.chain for key, record in valid.items()})
                await self._store.commit({_STEP + key: msgspec.json.encode(record) for key, record in valid.items()})
            finally:
                for record in batch:
                    await self._images.release(record.chain)

    def touch(self, record: Record, now: int) -> None:
        """It was of use."""
        record.used, record.count = now, record.count + 1
        self._writing.start("build record", self._store.commit({_STEP + record.key: msgspec.json.encode(record)}))

    async def remove(self, keys: Iterable[str]) -> int:
        """Forgets records; the bytes of the layers that went with them."""
        gone = [key for key in keys if self._records.pop(key, None)]
        async with self._turn:
            await self._store.commit({}, [_STEP + key for key in gone])
            return await self._images.unkeep(KEPT + key for key in gone)

    # Digests: of files in layers, which never change; of configurations that were made.

    def memo(self, key: str) -> str:
        """What `remember` was told; "" if nothing."""
        return self._memos.get(key, "")

    def remember(self, digests: Mapping[str, str]) -> None:
        """By their keys. Of very many the older ones are forgotten: they are found out again."""
        self._memos.update(digests)
        entries = {_MEMO + key: digest.encode() for key, digest in digests.items()}
        gone = [key for key in plan_forgotten(self._memos, _MOST) if key not in digests]
        for key in gone:
            del self._memos[key]
        self._writing.start("build memo", self._store.commit(entries, [_MEMO + key for key in gone]))

    def remembers(self, prefix: str) -> bool:
        """Whether there is any whose key begins so."""
        return any(key.startswith(prefix) for key in self._memos)

    async def forget_memos(self) -> None:
        keys, self._memos = list(self._memos), {}
        await self._store.commit({}, [_MEMO + key for key in keys])

    async def settle(self) -> None:
        """Returns when all that was written so far is durable."""
        await self._writing.wait()

    async def close(self) -> None:
        await self.settle()
        self._store.close()


def plan_forgotten(memos: Mapping[str, str], most: int) -> list[str]:
    """Pure: the older half, where there are more than `most`: seldom, and many at once.

    >>> plan_forgotten({"a": "1", "b": "2", "c": "3"}, 2), plan_forgotten({"a": "1"}, 2)
    (['a'], [])
    """
    return list(memos)[: len(memos) // 2] if len(memos) > most else []
