"""Looks every few minutes whether images of the node's are to go. What it knows of them outlives the daemon."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from corral.cluster.client.events import Recorder
from corral.cluster.kubelet.eviction.pressure import Observed
from corral.cluster.kubelet.garbage.policy import GarbagePolicy, plan_room
from corral.cluster.kubelet.garbage.records import Seen, plan_old, plan_order, plan_records, plan_young
from corral.cluster.kubelet.garbage.unused import remove, unused, used_images
from corral.engine.engine import Engine
from corral.errors import CorralError, HostError, from_oserror

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

FILE: Final = "image_gc_state"


def disk_of(path: str) -> Observed:
    """Blocks shortly. HostError."""
    try:
        stat = os.statvfs(path)
    except OSError as error:
        raise from_oserror(f"look at the file system of {path}", error) from error
    return Observed(stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize)


class ImageCollector:
    """`load` first; then `run` until it is cancelled. `observe` tells how full the disk of the images is."""

    def __init__(
        self,
        engine: Engine,
        policy: GarbagePolicy,
        events: Recorder,
        node: str,
        root: str,
        observe: Callable[[], Observed] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._engine, self._policy, self._events, self._now = engine, policy, events, now
        self._node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "uid": node}}
        self._path = f"{root}/{FILE}"
        self._observe = observe or (lambda: disk_of(f"{engine.config.root}/images"))
        self._records: dict[str, Seen] = {}
        self._lacked = False  # whether it was said that too little could go

    def load(self) -> None:
        """Without the file, or with one that cannot be read, nothing is the node's yet."""
        try:
            with open(self._path, "rb") as file:
                self._records = msgspec.json.decode(file.read(), type=dict[str, Seen])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s: %s: which images pods have used before is not known", self._path, error)

    def _save(self) -> None:
        text = msgspec.json.encode(self._records)
        try:
            with open(f"{self._path}.new", "wb") as file:
                file.write(text)
            os.rename(f"{self._path}.new", self._path)
        except OSError as error:
            raise from_oserror(f"write {self._path}", error) from error

    def wanted(self, id: str) -> None:
        """A container of a pod is about to be made of it."""
        now = self._now()
        seen = self._records.get(id)
        self._records[id] = seen._replace(used=now) if seen is not None else Seen(now, now)

    async def run(self) -> None:
        if not self._policy.on:
            return
        while True:
            try:
                await self.look()
            except CorralError as error:
                log.warning("image garbage collection: %s", error.message)
            await asyncio.sleep(self._policy.period)

    async def look(self) -> None:
        """Once. CorralError."""
        observed = await asyncio.to_thread(self._observe)
        now, sizes = self._now(), {image.id: image.size for image in self._engine.images.list()}
        self._records = plan_records(self._records, sizes, used_images(self._engine), now)
        order = plan_order(self._records, unused(self._engine), now, self._policy.youngest)
        old = plan_old(self._records, order, now, self._policy.oldest)
        gone = [id for id in old if await self._remove(id)]
        await self._make_room(plan_room(self._policy, *observed), [id for id in order if id not in old], sizes, gone)
        await asyncio.to_thread(self._save)

    async def _make_room(self, room: int, order: Iterable[str], sizes: dict[str, int], gone: Iterable[str]) -> None:
        freed = sum(sizes[id] for id in gone)
        for id in order:
            if freed >= room:
                break
            freed += sizes[id] if await self._remove(id) else 0
        lacks = freed < room
        if lacks and not self._lacked:
            message = f"Failed to garbage collect required amount of images. Attempted to free {room} bytes, but only"
            self._events.warning(self._node, "FreeDiskSpaceFailed", f"{message} found {freed} bytes eligible to free.")
        self._lacked = lacks

    async def _remove(self, id: str) -> bool:
        """A pod may have wanted it, or have a container of it, since the look began."""
        if id in used_images(self._engine) or id in plan_young(self._records, self._now(), self._policy.youngest):
            return False
        if not await remove(self._engine, id):
            return False
        log.info("image %s was not used any more, and is gone", id)
        self._records.pop(id, None)
        return True

    async def empty(self) -> int:
        """The disk is short: all that nobody uses and that can be fetched again. How many have gone."""
        young = plan_young(self._records, self._now(), self._policy.youngest)
        return sum([await remove(self._engine, id) for id in unused(self._engine) if id not in young])

    async def close(self) -> None:
        try:
            await asyncio.to_thread(self._save)
        except HostError as error:
            log.warning("%s", error.message)
