"""ConfigMaps, Secrets and the like that pods refer to: each watched for as long as a pod has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client, Collection
from corral.kit.tasks import Tasks

Object = dict[str, Any]
Key = tuple[str, str, str]  # plural, namespace, name

COLLECTIONS: Final = {plural: Collection("", "v1", plural) for plural in ("configmaps", "secrets")}


@dataclass
class _Watched:
    informer: Informer
    task: asyncio.Task[Any]
    users: set[str] = field(default_factory=set)


class Sources:
    """`changed(uid)` is called for each pod whose objects have changed."""

    def __init__(self, client: Client, changed: Callable[[str], None]) -> None:
        self._client, self._changed = client, changed
        self._watched: dict[Key, _Watched] = {}
        self._tasks = Tasks()

    async def get(self, uid: str, plural: str, namespace: str, name: str) -> Object | None:
        """The object as it is now, None where there is none. From now on the pod `uid` is told of changes."""
        key = (plural, namespace, name)
        found = self._watched.get(key)
        if found is None:
            informer = Informer(self._client, COLLECTIONS[plural], namespace, field_selector=f"metadata.name={name}")
            task = self._tasks.start(f"watch {plural} {namespace}/{name}", informer.run())
            found = self._watched[key] = _Watched(informer, task)
            informer.on_change(lambda old, new: self._tell(key, old))
        found.users.add(uid)
        await found.informer.synced.wait()
        return found.informer.get(f"{namespace}/{name}")

    def _tell(self, key: Key, old: Object | None) -> None:
        found = self._watched.get(key)
        if found is None or not found.informer.synced.is_set():
            return
        for uid in list(found.users):
            self._changed(uid)

    def release(self, uid: str) -> None:
        """The pod is gone: what nobody else has is watched no more."""
        for key, found in list(self._watched.items()):
            found.users.discard(uid)
            if not found.users:
                found.task.cancel()
                del self._watched[key]

    async def close(self) -> None:
        await self._tasks.close()
