"""The containers of this engine by id, id prefix and name; each change is saved before it is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from corral.engine.named import bridge_links
from corral.errors import Conflict, CorralError, InvalidInput, NotFound
from corral.model.container import Container
from corral.store.interface import Store

if TYPE_CHECKING:
    from corral.engine.hub import Hub
    from corral.engine.wait import Waiter

log = logging.getLogger("corral.engine")

PREFIX = "container/"


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Live:
    """A container's record, and what the daemon keeps of it only while it runs."""

    record: Container
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    hub: Hub | None = None
    waiters: set[Waiter] = field(default_factory=set)
    restart_delay: int = 0
    restart_timer: asyncio.Task[None] | None = None
    health_task: asyncio.Task[None] | None = None
    exited: asyncio.Event = field(default_factory=asyncio.Event)  # set while no process runs
    torn_down: asyncio.Event = field(default_factory=_set_event)  # set unless a clean-up is waiting
    removed: bool = False
    kept: int = 0  # restarts and removals under way: the end alone does not remove it, though it asked for that
    stopping: int = 0  # stops under way
    execs: set[str] = field(default_factory=set)
    unplugged: list[str] = field(default_factory=list)  # networks whose cable was gone when it was taken over
    sources: dict[str, str] = field(default_factory=dict)  # target of a volume -> where its data are now

    def cancel_restart(self) -> bool:
        """True if a restart was waiting, and now is not."""
        timer, self.restart_timer = self.restart_timer, None
        return timer is not None and timer.cancel()

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def name(self) -> str:
        return self.record.name


class Registry:
    """All containers. A name is reserved from `reserve` on, so that two creations cannot share it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_id: dict[str, Live] = {}
        self._names: dict[str, str] = {}

    async def load(self) -> list[Live]:
        """Reads every record. Called once, when the daemon starts."""
        for entry in (await self._store.range(PREFIX)).entries:
            self._add(msgspec.json.decode(entry.value, type=Container))
        return list(self._by_id.values())

    def _add(self, record: Container) -> Live:
        live = Live(record)
        if record.state.status not in ("running", "paused"):
            live.exited.set()
        self._by_id[record.id] = live
        self._names[record.name] = record.id
        return live

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def name_taken(self, name: str) -> bool:
        return name in self._names

    def find(self, id: str) -> Live | None:
        return self._by_id.get(id)

    def get(self, ref: str) -> Live:
        """By full id, name (with or without a leading slash), the name that a link gives it ("web/db"), or
        unambiguous id prefix.

        NotFound; InvalidInput when a prefix fits more than one.
        """
        if not ref:
            raise InvalidInput('invalid name or ID supplied: ""')
        name = ref.removeprefix("/")
        found = self._by_id.get(ref) or self._by_id.get(self._names.get(name, "")) or self._linked(name)
        if found is None:
            fits = [live for id, live in self._by_id.items() if id.startswith(ref) and not live.record.hidden]
            if len(fits) > 1:
                raise InvalidInput(f"multiple IDs found with provided prefix: {ref}")
            found = fits[0] if fits else None
        if found is None or found.record.hidden:
            raise NotFound(f"No such container: {ref}")
        return found

    def _linked(self, name: str) -> Live | None:
        """What the container before the slash links to under the alias behind it."""
        parent, _, alias = name.partition("/")
        holder = self._by_id.get(self._names.get(parent, ""))
        links = bridge_links(holder.record.spec.network) if holder and alias else []
        return next((self._by_id.get(link.partition(":")[0]) for link in links if link.endswith(f":{alias}")), None)

    def reserve(self, name: str, id: str) -> None:
        """Conflict when the name is another container's."""
        holder = self._names.get(name)
        if holder is not None and holder != id:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )
        self._names[name] = id

    def release(self, name: str, id: str) -> None:
        if self._names.get(name) == id:
            del self._names[name]

    async def save(self, record: Container) -> None:
        """Durable when it returns. Hidden ones have no record: what a crash leaves of them belongs to nobody."""
        if record.hidden:
            return
        await self._store.commit({PREFIX + record.id: msgspec.json.encode(record)})

    async def note(self, record: Container) -> None:
        """As `save`, for what has happened already, recorded or not: a full disk is logged, and stops nothing."""
        try:
            await self.save(record)
        except CorralError as error:
            log.error("container %s: its record is behind: %s", record.name, error.message)

    async def insert(self, record: Container) -> Live:
        await self.save(record)
        return self._add(record)

    def hide(self, record: Container) -> Live:
        """A hidden one: found by its id when its process ends, and by nobody who asks for containers."""
        return self._add(record)

    async def delete(self, live: Live) -> None:
        await self._store.commit({}, [PREFIX + live.id])
        self.forget(live)

    def close(self) -> None:
        self._store.close()

    async def erase(self, id: str) -> None:
        """Deletes a record that was saved but is no container yet."""
        await self._store.commit({}, [PREFIX + id])

    def forget(self, live: Live) -> None:
        self._by_id.pop(live.id, None)
        self.release(live.name, live.id)
        live.removed = True
