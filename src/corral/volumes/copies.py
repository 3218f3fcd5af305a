"""Whole volumes copied: to a tar stream and from one, and from one volume into another.

Each copy is taken while whoever uses the volume goes on; who wants it of one moment freezes them meanwhile.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from corral.errors import InvalidInput, from_oserror
from corral.kit.ids import new_id
from corral.linux.archive import PackOptions, UnpackOptions, extract, pack
from corral.linux.compression import decompressed
from corral.linux.streams import consume, produce
from corral.model.volume import Volume
from corral.volumes.copy import copy_tree
from corral.volumes.plan import ANONYMOUS_LABEL

if TYPE_CHECKING:
    from corral.volumes.volumes import Volumes


class Copies:
    """What is made here is a plain directory, wherever it came from: a copy of an NFS volume is no NFS volume."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    async def export(self, name: str) -> AsyncIterator[bytes]:
        """The volume as a tar stream, holes as holes. It stays while it is read. NotFound, HostError."""
        user = f"export {new_id()[:12]}"
        place = await self._volumes.acquire(name, user)

        def work(write: Callable[[bytes], None]) -> None:
            pack(write, place, "", "./", PackOptions(sparse=True))

        try:
            async with aclosing(produce(work, name="volume-export")) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await self._volumes.release(name, user)

    async def take_in(self, name: str, chunks: AsyncIterator[bytes], labels: Mapping[str, str]) -> Volume:
        """A new volume of a tar stream, compressed or not; one that is cut short leaves nothing.

        Raises Conflict (there is one of that name), InvalidInput (name, archive), NoSpace, HostError.
        """
        return await self._volumes.through(self._take_in(name, chunks, labels))

    async def _take_in(self, name: str, chunks: AsyncIterator[bytes], labels: Mapping[str, str]) -> Volume:
        async with self._volumes.staged(name, labels) as (volume, data):

            def work(source: Iterable[bytes]) -> None:
                extract(_more_than_nothing(decompressed(source), name), data, UnpackOptions())

            await consume(chunks, work, name="volume-import")
        return volume

    async def clone(self, source: str, name: str, labels: Mapping[str, str]) -> Volume:
        """A new volume with what another has, and with its labels besides. Where the file system can, both share
        their blocks until one of them changes.

        Raises NotFound (source), Conflict (there is one of the new name), InvalidInput, NoSpace, HostError.
        """
        return await self._volumes.through(self._clone(source, name, labels))

    async def _clone(self, source: str, name: str, labels: Mapping[str, str]) -> Volume:
        inherited = {k: v for k, v in self._volumes.get(source).labels.items() if k != ANONYMOUS_LABEL}
        async with self._volumes.staged(name, {**inherited, **labels}) as (volume, data):
            user = f"clone {new_id()[:12]}"
            place = await self._volumes.acquire(source, user)
            try:
                await asyncio.to_thread(_copy, place, data)
            finally:
                await self._volumes.release(source, user)
        return volume


def _more_than_nothing(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """A tar has an end even where it has no files: nothing at all is what an export that failed sends into a pipe.

    >>> list(_more_than_nothing([b"tar"], "data"))
    [b'tar']
    """
    source = iter(pieces)
    first = next(source, b"")
    if not first:
        raise InvalidInput(f"import volume {name}: no archive came, not a byte; look at what was to send it")
    yield first
    yield from source


def _copy(place: str, data: str) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        source = os.open(place, flags)
        try:
            target = os.open(data, flags)
            try:
                copy_tree(source, target)
            finally:
                os.close(target)
        finally:
            os.close(source)
    except OSError as error:
        raise from_oserror(f"copy volume {place}", error) from error
