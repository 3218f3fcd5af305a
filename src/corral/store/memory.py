"""A store without a disk: for tests, and for state that need not outlive the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from corral.errors import Unavailable
from corral.store.interface import Changes


class MemoryStore:
    """Keeps everything in a dictionary; `commit` is as atomic as one turn of the event loop."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._revision = 0
        self._closed = False

    async def get(self, key: str) -> bytes | None:
        self._check_open()
        return self._values.get(key)

    async def range(self, prefix: str) -> list[tuple[str, bytes]]:
        self._check_open()
        return sorted((k, v) for k, v in self._values.items() if k.startswith(prefix))

    async def commit(self, puts: Mapping[str, bytes], deletes: Iterable[str] = ()) -> int:
        self._check_open()
        changes = Changes(puts, deletes)
        for key in changes.deletes:
            self._values.pop(key, None)
        self._values.update(changes.puts)
        self._revision += bool(changes)
        return self._revision

    def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")
