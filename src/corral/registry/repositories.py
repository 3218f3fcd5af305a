"""Repositories: what a registry has, in memory for reading and in a store for good.

A change is made in memory and handed to the store in one breath, so both see all changes in the same order; who asked
for it is answered when it is durable. A change that cannot be made durable is taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from corral.errors import CorralError
from corral.registry import records
from corral.registry.records import Blob, Manifest, Record, Tag
from corral.store.interface import Store


class Repository:
    """One of them. `referrers`: subject -> the manifests that refer to it, as the keys of a dictionary.

    `seen`: when a client was told last that a blob is here, so that it need not be pushed. `checked`: when the upstream
    said last what a tag means.
    """

    __slots__ = ("blobs", "checked", "manifests", "name", "referrers", "seen", "tags")

    def __init__(self, name: str) -> None:
        self.name = name
        self.blobs: dict[str, Blob] = {}
        self.manifests: dict[str, Manifest] = {}
        self.tags: dict[str, Tag] = {}
        self.referrers: dict[str, dict[str, None]] = {}
        self.seen: dict[str, int] = {}
        self.checked: dict[str, int] = {}

    @property
    def empty(self) -> bool:
        return not (self.blobs or self.manifests or self.tags)

    def find(self, reference: str) -> str:
        """The digest that a tag or digest means, "" if it is not here."""
        if ":" in reference:
            return reference if reference in self.manifests else ""
        tag = self.tags.get(reference)
        return tag.digest if tag and tag.digest in self.manifests else ""

    def forget_seen(self, before: int) -> None:
        """Of what was long ago."""
        self.seen = {digest: at for digest, at in self.seen.items() if at >= before and digest in self.blobs}

    def tags_of(self, digest: str) -> list[str]:
        return [name for name, tag in self.tags.items() if tag.digest == digest]

    def users_of(self, blob: str) -> list[str]:
        """The manifests that need a blob."""
        return [digest for digest, manifest in self.manifests.items() if blob in manifest.blobs]

    def above(self, digest: str) -> set[str]:
        """A manifest, and every index that needs it, at whatever depth."""
        found, todo = {digest}, [digest]
        while todo:
            child = todo.pop()
            parents = {name for name, manifest in self.manifests.items() if child in manifest.children} - found
            found |= parents
            todo += parents
        return found

    @property
    def updated(self) -> int:
        """When it was last pushed to."""
        return max((r.at for kind in (self.tags, self.manifests, self.blobs) for r in kind.values()), default=0)


class Repositories:
    """All of them. Made with `load`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.by_name: dict[str, Repository] = {}
        self._held: Counter[str] = Counter()

    @classmethod
    async def load(cls, store: Store) -> Repositories:
        made = cls(store)
        for entry in (await store.range("")).entries:
            made._set(entry.key, records.decode(entry.key, entry.value))
        return made

    def get(self, name: str) -> Repository | None:
        return self.by_name.get(name)

    def names(self) -> list[str]:
        """In order."""
        return sorted(self.by_name)

    def held(self) -> list[str]:
        """Every digest that a record names. May be called in any thread."""
        return list(self._held)

    def having(self, blob: str) -> Iterable[str]:
        """The repositories that have a blob."""
        return (name for name, repository in self.by_name.items() if blob in repository.blobs)

    async def change(self, puts: Mapping[str, Record], deletes: Iterable[str] = ()) -> None:
        """Makes records under the keys of `records`; returns when they are durable. NoSpace, HostError, Unavailable."""
        gone = [key for key in deletes if self._look(key) is not None]
        for key in gone:
            self._set(key, None)
        for key, record in puts.items():
            self._set(key, record)
        try:
            await self._store.commit({key: records.encode(record) for key, record in puts.items()}, gone)
        except CorralError:
            await self._reread([*puts, *gone])
            raise

    async def _reread(self, keys: Iterable[str]) -> None:
        """After a failed change: memory follows the store again."""
        for key in keys:
            entry = await self._store.get(key)
            self._set(key, None if entry is None else records.decode(key, entry.value))

    def _look(self, key: str) -> Record | None:
        kind, name, item = records.split_key(key)
        repository = self.by_name.get(name)
        return _table(repository, kind).get(item) if repository else None

    def _set(self, key: str, record: Record | None) -> None:
        """Puts a record into memory, or with None takes it out, and keeps everything that follows from it right."""
        kind, name, item = records.split_key(key)
        repository = self.by_name.get(name)
        if repository is None:
            if record is None:
                return
            repository = self.by_name[name] = Repository(name)
        table = _table(repository, kind)
        old = table.pop(item, None)
        if record is not None:
            table[item] = record
        if kind != "t":
            self._count(item, (record is not None) - (old is not None))
        _refer(repository, item, old, record)
        if repository.empty:
            del self.by_name[name]

    def _count(self, digest: str, more: int) -> None:
        self._held[digest] += more
        if self._held[digest] <= 0:
            del self._held[digest]


_TABLES: Final = {"b": "blobs", "m": "manifests", "t": "tags"}


def _table(repository: Repository, kind: str) -> dict[str, Record]:
    found: dict[str, Record] = getattr(repository, _TABLES[kind])
    return found


def _refer(repository: Repository, digest: str, old: Record | None, new: Record | None) -> None:
    """Keeps the list of a subject's referrers."""
    before = old.subject if isinstance(old, Manifest) else ""
    after = new.subject if isinstance(new, Manifest) else ""
    if before and before != after:
        repository.referrers[before].pop(digest, None)
        if not repository.referrers[before]:
            del repository.referrers[before]
    if after:
        repository.referrers.setdefault(after, {})[digest] = None
