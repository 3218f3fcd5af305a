"""Load: the images of an archive become images of this store (`docker load`)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from corral.errors import InvalidInput
from corral.images import config, digests
from corral.images.digests import Hasher, chain_ids
from corral.images.layers import Layer
from corral.images.manifests import Item, parse_docker, parse_layout, promised_digest
from corral.images.platforms import host_platform, split_platform
from corral.images.spool import Spool
from corral.kit.ids import short
from corral.linux.archive import remove_tree
from corral.linux.streams import consume, in_thread
from corral.model.container import Struct

if TYPE_CHECKING:
    from corral.images.library import Images

_PIECE = 1 << 18
_STEP = 1 << 19  # bytes between two reports


class Loaded(Struct):
    """An image is there, under one of its full names ("" if it has none). `replaced` is the image that lost it."""

    id: str
    name: str = ""
    replaced: str = ""


class LayerProgress(Struct):
    """A layer is being unpacked; `layer` is the start of its diff id, the numbers are bytes of the archive."""

    layer: str
    current: int
    total: int


LoadEvent = Loaded | LayerProgress
Report = Callable[[LoadEvent], None]


async def load(images: Images, chunks: AsyncIterator[bytes], platform: str) -> AsyncGenerator[LoadEvent, None]:
    """What happens while an archive is loaded. Each image is recorded with all its layers or not at all; closing the
    iterator early stops the rest."""
    queue: asyncio.Queue[LoadEvent | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def report(event: LoadEvent) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, event)

    async def work() -> None:
        try:
            await _load(images, chunks, platform, report)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(work())
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
        while not queue.empty():  # what a thread reported behind the end
            if (event := queue.get_nowait()) is not None:
                yield event
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _load(images: Images, chunks: AsyncIterator[bytes], platform: str, report: Report) -> None:
    place = f"{images.scratch}/{os.urandom(8).hex()}"
    spool = Spool(place)
    try:
        await consume(chunks, lambda inbox: spool.fill(inbox, inbox.leave), name="load")
        for item in plan_items(spool, platform):
            await _load_image(images, spool, item, report)
    finally:
        await in_thread("load-cleanup", lambda: remove_tree(place))


def plan_items(spool: Spool, platform: str) -> list[Item]:
    """Which images to load. InvalidInput if the archive has no table of contents."""
    if spool.has("manifest.json"):
        return [item for item in parse_docker(spool.read("manifest.json")) if _fits(spool, item, platform)]
    if spool.has("index.json"):
        return parse_layout(spool.read, platform or host_platform())
    raise InvalidInput("invalid archive: does not contain a manifest.json")


def _fits(spool: Spool, item: Item, platform: str) -> bool:
    if not platform:
        return True
    system, architecture, variant = split_platform(platform)
    image = config.parse(spool.read(item.config))
    return (image.os, image.architecture) == (system, architecture) and variant in ("", image.variant)


async def _load_image(images: Images, spool: Spool, item: Item, report: Report) -> None:
    data = spool.read(item.config)
    promised = promised_digest(item.config)
    if promised.startswith("sha256:") and promised != digests.of(data):
        raise InvalidInput(f"invalid archive: {item.config} has the digest {digests.of(data)}")
    image = config.parse(data)
    if image.os != "linux":
        raise InvalidInput(f"cannot load {image.os} image on linux")
    if len(item.layers) != len(image.diff_ids):
        raise InvalidInput(
            f"invalid manifest, layers length mismatch: expected {len(item.layers)}, got {len(image.diff_ids)}"
        )
    async with images.draft() as draft:
        for number, (diff_id, chain) in enumerate(zip(image.diff_ids, chain_ids(image.diff_ids), strict=True)):
            if not draft.hold(chain):
                layer = await _load_layer(images, spool, item.layers[number], draft.dirs(), diff_id, report)
                draft.add(layer, chain)
                if layer.diff != diff_id:
                    raise InvalidInput(f'invalid diffID for layer {number}: expected "{diff_id}", got "{layer.diff}"')
        old = {tag: images.named(tag) for tag in item.tags}
        new = [tag for tag in item.tags if old[tag] != digests.of(data)]  # others have been tagged, and are no later
        image = await draft.record(data, new)
    for tag in item.tags:
        report(Loaded(image.id, tag, old[tag] if old[tag] != image.id else ""))
    if not item.tags:
        report(Loaded(image.id))


async def _load_layer(images: Images, spool: Spool, name: str, below: list[str], diff_id: str, report: Report) -> Layer:
    path = spool.path(name)
    total = os.path.getsize(path)
    promised = promised_digest(name)
    hasher = Hasher(promised.partition(":")[0]) if promised and promised != diff_id else None

    def chunks(file: BinaryIO) -> Iterator[bytes]:
        told = done = 0
        while chunk := file.read(_PIECE):
            done += len(chunk)
            if done - told >= _STEP or done == total:
                told = done
                report(LayerProgress(short(diff_id), done, total))
            yield chunk

    def unpack() -> Layer:
        with open(path, "rb") as file:  # here: a generator that an error has left behind would hold it, and its blocks
            source = hasher.through(chunks(file)) if hasher else chunks(file)
            layer = images.layers.unpack(source, lambda: below, images.limits)
            for _ in source:  # what stands behind the compressed data counts for the digest
                pass
        if hasher and hasher.digest() != promised:
            images.layers.remove([layer])
            raise InvalidInput(f"invalid archive: {name} has the digest {hasher.digest()}")
        return layer

    return await finished(in_thread("load-layer", unpack), images)


async def finished(future: asyncio.Future[Layer], images: Images) -> Layer:
    """Waits for a layer; when cancelled, waits for the thread too and leaves nothing of it."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        if not future.exception():
            images.layers.remove([future.result()])
        raise
