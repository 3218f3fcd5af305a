"""Push: an image of this store goes to a registry: its layers, some at a time, its configuration, then its manifest.

An image that was pulled is pushed with the manifest it came with, if the repository has, or can be given, the very
blobs that it names: then it keeps its digest. Otherwise a manifest is made over the layers as they are compressed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from corral.errors import CorralError, NotFound
from corral.images.catalog import Name
from corral.images.digests import chain_ids, of
from corral.images.layers import Layer
from corral.images.origins import Known
from corral.images.records import Change
from corral.images.references import Reference
from corral.images.remote.cancel import Cancel
from corral.images.remote.documents import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Blob, Manifest, parse_document
from corral.images.remote.hub import Hub
from corral.images.remote.packing import Pack
from corral.images.remote.progress import Meter, Report
from corral.images.remote.repository import Repository
from corral.images.remote.subject import put_manifest
from corral.images.remote.threads import blocking
from corral.images.remote.uploading import Upload
from corral.kit.ids import short
from corral.linux.streams import in_thread
from corral.model.image import Image
from corral.model.transfer import Note, layer

if TYPE_CHECKING:
    from corral.images.library import Images


class Push:
    """Images on their way to one repository. A layer that several of them have goes once."""

    def __init__(self, images: Images, hub: Hub, repository: Repository, name: str, report: Report) -> None:
        self._images, self._hub, self._repository, self._name, self._report = images, hub, repository, name, report
        self._loop = asyncio.get_running_loop()
        self._sent: dict[str, asyncio.Task[Blob]] = {}

    async def tag(self, ref: Reference, image: Image) -> None:
        """One image under one tag. NotFound, RemoteFailed, Unauthorized, …"""
        chains = chain_ids(image.diff_ids)
        self._images.layers.hold(chains[-1] if chains else "")
        try:
            digest, size = await self._push(ref, image)
        finally:
            await asyncio.shield(self._images.release(chains[-1] if chains else ""))
        name = f"{ref.name}@{digest}"
        named = msgspec.json.encode(Name(image.id, self._images.clock.now()))
        await self._images.remember(lambda: [Change("digest", name, named)] if image.id in self._images else [])
        self._report(Note(f"{ref.tag}: digest: {digest} size: {size}"))
        self._report(Note(aux={"Tag": ref.tag, "Digest": digest, "Size": size}))

    async def _push(self, ref: Reference, image: Image) -> tuple[str, int]:
        stack = [self._images.layers.stack(chain)[-1] for chain in chain_ids(image.diff_ids)]
        config = await asyncio.to_thread(self._config, image)  # first: the image may be removed while layers travel
        kept = await asyncio.to_thread(self._kept, image)
        for one in reversed(stack):
            self._report(layer(short(one.diff), "Preparing"))
        blobs = await self._layers(stack, kept)
        if kept is not None and [blob.digest for blob in kept.layers] == [blob.digest for blob in blobs]:
            data, media_type = kept.data, kept.media_type
        else:
            data, media_type = build_manifest(config, blobs), DOCKER_MANIFEST

        return await self.document(ref, config, media_type, data), len(data)

    async def document(self, ref: Reference, config: bytes, media_type: str, data: bytes) -> str:
        """A manifest over blobs that are there by now, and its configuration; its digest."""

        def finish(cancel: Cancel) -> str:
            repository, digest = self._repository.again(cancel), of(config)
            if not repository.has_blob(digest):
                repository.put_blob(digest, config)
            return put_manifest(repository, ref.tag, media_type, data)

        return await blocking("push", finish)

    async def layers(self, stack: Sequence[Layer]) -> list[Blob]:
        """Layers, which the caller holds; their blobs in the repository, in the same order."""
        return await self._layers(stack, None)

    def _config(self, image: Image) -> bytes:
        try:
            return self._images.content.read(image.id)
        except NotFound:
            raise NotFound(f"No such image: {image.id}") from None  # somebody has just removed it

    def _kept(self, image: Image) -> Manifest | None:
        """The manifest that the image came with."""
        kept = self._images.origins.manifest(image.id)
        if kept is None or not self._images.content.has(kept.digest):
            return None
        try:
            data = self._images.content.read(kept.digest)
            found = parse_document(data, kept.media_type, kept.digest, kept.digest)
        except CorralError:
            return None
        return found if isinstance(found, Manifest) and found.config.digest == image.id else None

    # Layers.

    async def _layers(self, stack: Sequence[Layer], kept: Manifest | None) -> list[Blob]:
        """Each layer's blob in the repository, from the bottom."""
        for number, one in enumerate(stack):
            if one.diff in self._sent:
                self._report(layer(short(one.diff), "Layer already exists"))
            else:
                wanted = kept.layers[number].digest if kept is not None and len(kept.layers) == len(stack) else ""
                self._sent[one.diff] = asyncio.create_task(self._layer(one, wanted))
        tasks = [self._sent[one.diff] for one in stack]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Cancels what is under way, and waits for it."""
        tasks = list(self._sent.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _layer(self, one: Layer, wanted: str) -> Blob:
        """`wanted` is the digest that the layer had when it came: the first to look for."""
        known = sorted(self._images.origins.blobs(one.diff), key=lambda k: k.digest != wanted)
        if self._hub.uploads.locked():
            self._report(layer(short(one.diff), "Waiting"))
        async with self._hub.uploads:
            packs: list[tuple[Pack, asyncio.Future[None]]] = []
            try:
                blob, gone = await blocking("push layer", lambda cancel: self._upload(one, known, packs, cancel))
            finally:
                await asyncio.shield(asyncio.ensure_future(_drop(packs)))
        await self._images.remember(lambda: self._images.origins.unlearn(one.diff, gone, self._name))
        now = Known(blob.digest, blob.size, blob.mediaType, [self._name])
        await self._images.remember(lambda: self._images.origins.learn(one.diff, now))
        return blob

    def _upload(
        self, one: Layer, known: list[Known], packs: list[tuple[Pack, asyncio.Future[None]]], cancel: Cancel
    ) -> tuple[Blob, list[str]]:
        """In a thread."""
        identity = short(one.diff)

        def say(status: str, current: int, total: int) -> None:
            self._loop.call_soon_threadsafe(self._report, layer(identity, status, current, total))

        meter = Meter(lambda current: say("Pushing", current, one.tar_size), one.tar_size)

        def tell(status: str, current: int, total: int) -> None:
            if current >= 0:
                meter.at(current)
            else:
                say(status, current, total)

        def make_pack(what: Layer) -> Pack:
            pack = Pack(self._images.content, self._images.layers, what)
            done = asyncio.run_coroutine_threadsafe(_start(pack), self._loop).result()
            packs.append((pack, done))
            return pack

        repository, attempts = self._repository.again(cancel), self._hub.config.attempts
        upload = Upload(repository, self._name, one, known, attempts, make_pack, cancel, tell)
        return upload.run(), upload.gone


async def _start(pack: Pack) -> asyncio.Future[None]:
    return in_thread("pack", pack.run)


async def _drop(packs: Sequence[tuple[Pack, asyncio.Future[None]]]) -> None:
    for pack, done in packs:
        pack.cancel.stop()
        await asyncio.wait([done])
        pack.close()


def build_manifest(config: bytes, layers: Sequence[Blob]) -> bytes:
    """Docker's schema 2, which every registry takes. Pure: the same blobs give the same bytes.

    Indented as dockerd has it: `docker manifest` of a client 20.10 writes it anew when it copies it into another
    repository, and would send another digest than its list names.

    >>> build_manifest(b"{}", []).startswith(b'{\\n   "schemaVersion": 2,\\n   "mediaType": "application/vnd.d')
    True
    """
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {"mediaType": DOCKER_CONFIG, "size": len(config), "digest": of(config)},
        "layers": [
            {"mediaType": _docker_type(blob.mediaType), "size": blob.size, "digest": blob.digest} for blob in layers
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=3)


def _docker_type(media_type: str) -> str:
    """A layer's media type among Docker's.

    >>> _docker_type("application/vnd.oci.image.layer.v1.tar+gzip") == DOCKER_LAYER
    True
    """
    if media_type.endswith("tar+zstd"):
        return "application/vnd.docker.image.rootfs.diff.tar.zstd"
    if media_type.endswith("tar"):
        return DOCKER_LAYER.removesuffix(".gzip")
    return DOCKER_LAYER


def chosen(images: Images, ref: Reference) -> list[tuple[Reference, Image]]:
    """What a push is of: one tag, or all tags of a repository. NotFound in Docker's words."""
    tags = images.repository(ref.name)
    if not tags:
        raise NotFound(f"An image does not exist locally with the tag: {ref.familiar_name}")
    if ref.tag and str(ref) not in tags:
        raise NotFound(f"tag does not exist: {ref.familiar}")
    refs = [ref] if ref.tag else [Reference(ref.domain, ref.path, tag.rpartition(":")[2]) for tag in tags]
    return [(one, images.get(str(one))) for one in refs]
