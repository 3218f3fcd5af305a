"""Stacking: the layers of an image that are missing are unpacked while they come, some at a time, added in order.

::

    layer 3   ░░░░ comes            waits for its turn
    layer 2   ▒▒▒▒ comes, unpacked meanwhile
    layer 1   ▓▓▓▓ unpacked         ──> added to the draft
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from corral.errors import CorralError, InvalidInput
from corral.images.layers import Layer
from corral.images.remote.cancel import Cancel
from corral.images.remote.fetching import Fetch
from corral.images.remote.progress import Meter
from corral.linux.streams import Ended, in_thread

if TYPE_CHECKING:
    from corral.images.draft import Draft
    from corral.images.remote.pull import Pull

_WINDOW = min(4, max(2, os.cpu_count() or 2))  # layers of one image that are unpacked at a time


class Stack:
    """The layers that are missing, being unpacked: started from the bottom, some at a time, added in order.

    A layer that another pull is unpacking is waited for; should that fail, it is unpacked here.
    """

    def __init__(
        self, pull: Pull, draft: Draft, diff_ids: Sequence[str], chains: Sequence[str], fetches: Sequence[Fetch]
    ) -> None:
        self._pull, self._draft = pull, draft
        self._diff_ids, self._chains, self._fetches = diff_ids, chains, fetches
        self._cancel = Cancel()
        self._below = [_Below(self._cancel) for _ in chains]
        self._mine: dict[int, asyncio.Future[Layer]] = {}
        self._claims: dict[str, asyncio.Future[None]] = {}

    async def run(self) -> None:
        for number, fetch in enumerate(self._fetches):
            fetch.listeners.append(self._listener(fetch))
            if number >= 3 and not fetch.started:
                self._pull.tell(fetch.blob, "Waiting")
        try:
            for number in range(len(self._chains)):
                self._start_some(number)
                await self._next(number)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self._abandon()))
            raise
        finally:
            for claim in self._claims.values():
                if not claim.done():
                    claim.set_result(None)

    def _listener(self, fetch: Fetch) -> Callable[[str, int], None]:
        blob = fetch.blob
        meter = Meter(lambda current: self._pull.tell(blob, "Downloading", current), blob.size)

        def hear(status: str, current: int) -> None:
            if status == "Downloading":
                meter.at(current)
            else:
                self._pull.tell(blob, status)

        return hear

    def _start_some(self, first: int) -> None:
        """Unpacks this one and the next, unless somebody else does."""
        for number in range(first, min(first + _WINDOW, len(self._chains))):
            chain = self._chains[number]
            if number not in self._mine and chain not in self._pull.unpacking and not self._there(chain):
                claim: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._pull.unpacking[chain] = self._claims[chain] = claim
                self._mine[number] = in_thread(f"unpack {number}", lambda number=number: self._unpack(number))  # type: ignore[misc]

    def _there(self, chain: str) -> bool:
        return self._pull.images.layers.get(chain) is not None

    async def _next(self, number: int) -> None:
        """Layer `number` becomes part of the draft; those below are."""
        chain = self._chains[number]
        self._below[number].set(self._draft.dirs())
        while number not in self._mine and not self._draft.hold(chain):
            claim = self._pull.unpacking.get(chain)
            if claim is not None:
                await asyncio.shield(claim)
            else:
                self._start_some(number)  # whoever did it has given up
        if number in self._mine:
            made = await asyncio.shield(self._mine[number])
            del self._mine[number]
            self._draft.add(made, chain)
        self._release(chain)
        self._pull.tell(self._fetches[number].blob, "Pull complete")

    def _release(self, chain: str) -> None:
        claim = self._claims.pop(chain, None)
        if claim is not None:
            del self._pull.unpacking[chain]
            claim.set_result(None)

    def _unpack(self, number: int) -> Layer:
        """In a thread."""
        images, fetch, cancel = self._pull.images, self._fetches[number], Cancel()
        self._cancel.when_stopped(cancel.stop)
        try:
            with closing(self._chunks(fetch, cancel)) as chunks:
                made = images.layers.unpack(chunks, self._below[number].get, images.limits, cancel.stop)
        except CorralError:
            fetch.wait(self._cancel)  # what came was not what was promised: that is the cause then
            raise
        if made.diff != self._diff_ids[number]:
            images.layers.remove([made])
            raise InvalidInput(
                f"layers from manifest don't match image configuration: layer {fetch.blob.digest} unpacks to "
                f"{made.diff}, not {self._diff_ids[number]}"
            )
        return made

    def _chunks(self, fetch: Fetch, cancel: Cancel) -> Generator[bytes, None, None]:
        """The blob's bytes; once all are here, says how far they are unpacked."""
        blob, done = fetch.blob, 0
        meter = Meter(lambda current: self._pull.tell(blob, "Extracting", current), blob.size)
        complete = False
        for data in fetch.chunks(cancel):
            if fetch.complete:
                if not complete:
                    complete = True
                    self._pull.tell(blob, "Download complete")
                meter.at(done)
            yield data
            done += len(data)
        if not complete:
            self._pull.tell(blob, "Download complete")
        meter.at(done)

    async def _abandon(self) -> None:
        """Waits for the threads, and takes away what they made."""
        self._cancel.stop()
        mine, self._mine = list(self._mine.values()), {}
        for claim in list(self._claims):
            self._release(claim)
        if mine:
            await asyncio.wait(mine)
        made = [future.result() for future in mine if not future.exception()]
        if made:
            await in_thread("pull-cleanup", lambda: self._pull.images.layers.remove(made))


class _Below:
    """The directories under a layer, for the thread that unpacks it: known when those below are unpacked."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel, self._ready = cancel, threading.Event()
        self._dirs: list[str] = []
        cancel.when_stopped(self._ready.set)

    def set(self, dirs: list[str]) -> None:
        self._dirs = dirs
        self._ready.set()

    def get(self) -> list[str]:
        self._ready.wait()
        if self._cancel.stopped:
            raise Ended
        return self._dirs
