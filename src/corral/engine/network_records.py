"""The networks that somebody made, as they are kept over restarts."""

from __future__ import annotations

import msgspec

from corral.model.network import Network
from corral.store.interface import Store

PREFIX = "network/"


class NetworkRecords:
    """In the engine's own store, beside the containers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> list[Network]:
        return [msgspec.json.decode(entry.value, type=Network) for entry in (await self._store.range(PREFIX)).entries]

    async def save(self, network: Network) -> None:
        """Durable when it returns."""
        await self._store.commit({PREFIX + network.id: msgspec.json.encode(network)})

    async def delete(self, network: Network) -> None:
        await self._store.commit({}, [PREFIX + network.id])
