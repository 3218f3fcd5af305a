"""Pull: an image of a registry becomes an image of this store.

::

    manifest ──> index? choose ──> configuration ──> layers: three come at a time, into scratch files
                                                        └── unpacked from the bottom up while they come, two at a time
                                   all recorded in one transaction

Nothing that came is used unchecked: a blob's bytes against its digest, a layer's tar against its diff id, before the
image is recorded.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING

from corral.errors import InvalidInput, NotFound
from corral.images import config as configs
from corral.images.digests import chain_ids
from corral.images.origins import Kept, Known
from corral.images.platforms import host_level, host_platform, normal, platform_of, split_platform
from corral.images.records import Change
from corral.images.references import Reference
from corral.images.remote.documents import Blob, Index, Manifest, check_image, choose_entry, parse_document
from corral.images.remote.fetching import Fetch
from corral.images.remote.hub import Hub, Resolved
from corral.images.remote.progress import Report
from corral.images.remote.refusal import explain_pull
from corral.images.remote.stacking import Stack
from corral.images.remote.threads import blocking
from corral.kit.ids import short
from corral.model.image import Image
from corral.model.transfer import Credentials, Note, layer

if TYPE_CHECKING:
    from corral.images.draft import Draft
    from corral.images.library import Images

_CONFIG_LIMIT = 8 << 20


async def pull_tag(
    images: Images, hub: Hub, ref: Reference, platform: str, credentials: Credentials, report: Report
) -> bool:
    """One tag or digest of a repository; whether anything changed. NotFound, RemoteFailed, InvalidInput, …"""
    resolved = await blocking(
        "manifest",
        lambda cancel: hub.resolve(ref, ref.digest or ref.tag, credentials, cancel),
        lambda refusal: explain_pull(refusal, ref),
    )
    report(Note(f"Pulling from {ref.path}", ref.digest or ref.tag))
    manifest = await _manifest(resolved, ref, platform)
    name = f"{ref.name}@{resolved.found.digest}"
    before = images.named(name if ref.digest else str(ref))
    image = await Pull(images, hub, ref, resolved, manifest, platform, report).run(name)
    report(Note(f"Digest: {resolved.found.digest}"))
    return image.id != before


async def _manifest(resolved: Resolved, ref: Reference, platform: str) -> Manifest:
    """The image's own manifest, for which the platform is chosen if there are several."""
    found = resolved.found
    document = parse_document(found.data, found.content_type, found.digest, ref.familiar)
    if isinstance(document, Index):
        wanted = split_platform(platform or host_platform())
        entry = choose_entry(document, wanted, host_level() if not wanted.variant else 1)
        found = await blocking(
            "manifest",
            lambda cancel: resolved.repository.again(cancel).manifest(entry.digest),
            lambda refusal: explain_pull(refusal, by_digest(ref, entry.digest)),
        )
        document = parse_document(found.data, found.content_type or entry.media_type, found.digest, ref.familiar)
    if isinstance(document, Index):
        raise InvalidInput(f"the index of {ref.familiar} names another index, {document.digest}, as its image")
    check_image(document, ref.familiar)
    return document


def by_digest(ref: Reference, digest: str) -> Reference:
    return Reference(ref.domain, ref.path, "", digest)


class Pull:
    """One image on its way. Use once."""

    def __init__(
        self,
        images: Images,
        hub: Hub,
        ref: Reference,
        resolved: Resolved,
        manifest: Manifest,
        platform: str,
        report: Report,
    ) -> None:
        self._images, self._hub, self._ref, self._resolved, self._report = images, hub, ref, resolved, report
        self._manifest, self._platform = manifest, platform
        self._loop = asyncio.get_running_loop()

    async def run(self, digest_name: str) -> Image:
        """The image, recorded under the tag, if there is one, and under the name with the digest."""
        names = [digest_name] if self._ref.digest else [str(self._ref), digest_name]
        data = await self._configuration()
        image = self._check(configs.parse(data))
        async with self._images.draft() as draft:
            if image.id in self._images:
                for chain in chain_ids(image.diff_ids):
                    draft.hold(chain)
            else:
                await self._layers(draft, image)
            changes = self._origins(image)
            kept = Kept(self._manifest.digest, self._manifest.media_type)
            changes += self._images.origins.keep(image.id, kept)
            return await draft.record(data, names, documents=[self._manifest.data], changes=changes)

    def _origins(self, image: Image) -> list[Change]:
        changes = {}
        for diff_id, blob in zip(image.diff_ids, self._manifest.layers, strict=True):
            known = Known(blob.digest, blob.size, blob.mediaType, [self._ref.name])
            for change in self._images.origins.learn(diff_id, known):
                changes[change.key] = change
        return list(changes.values())

    async def _configuration(self) -> bytes:
        blob = self._manifest.config
        if blob.digest in self._images:
            return await asyncio.to_thread(self._images.content.read, blob.digest)
        return await blocking(
            "config", lambda cancel: self._resolved.repository.again(cancel).small_blob(blob, _CONFIG_LIMIT)
        )

    def _check(self, image: Image) -> Image:
        """InvalidInput, NotFound in Docker's words."""
        if len(image.diff_ids) != len(self._manifest.layers):
            raise InvalidInput("layers from manifest don't match image configuration")
        if image.os != "linux":
            raise InvalidInput(f'image operating system "{image.os}" cannot be used on this platform')
        if self._platform:
            wanted, has = split_platform(self._platform), platform_of(image)
            if wanted[:2] != normal(has)[:2]:
                raise NotFound(
                    f"image with reference {self._ref.familiar} was found but its platform ({has}) does not match the "
                    f"specified platform ({wanted})"
                )
        return image

    # Layers.

    async def _layers(self, draft: Draft, image: Image) -> None:
        chains = chain_ids(image.diff_ids)
        blobs = self._manifest.layers
        there = 0
        while there < len(chains) and draft.hold(chains[there]):
            self._report(layer(short_id(blobs[there]), "Already exists"))
            there += 1
        for blob in blobs[there:]:
            self._report(layer(short_id(blob), "Pulling fs layer"))
        async with AsyncExitStack() as stack:
            fetches = [await stack.enter_async_context(self._fetching(blob)) for blob in blobs[there:]]
            work = Stack(self, draft, image.diff_ids[there:], chains[there:], fetches)
            await work.run()

    def _fetching(self, blob: Blob) -> AbstractAsyncContextManager[Fetch]:
        places = self._resolved.sources
        sources = [self._hub.source(e, who, self._ref.path, blob.digest) for e, who in places]
        return self._hub.fetching(blob, sources)

    def tell(self, blob: Blob, status: str, current: int = -1) -> None:
        """From any thread."""
        note = layer(short_id(blob), status, current, blob.size if current >= 0 else 0)
        self._loop.call_soon_threadsafe(self._report, note)

    @property
    def images(self) -> Images:
        return self._images

    @property
    def unpacking(self) -> dict[str, asyncio.Future[None]]:
        """The layers that somebody unpacks just now, by chain id."""
        return self._hub.unpacking


def short_id(blob: Blob) -> str:
    return short(blob.digest)
