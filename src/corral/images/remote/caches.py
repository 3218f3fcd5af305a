"""Caches: layers kept in a registry for later builds, without an image around them.

::

    manifest (OCI)   config: what the layers are for, in the words of who keeps them
                     layers: their blobs, in any order: they need not lie on each other

A layer is brought one by one, onto the layers that it is to lie on. An image's own layers can be brought in the same
way, so an image whose configuration says what they are for is such a cache too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from corral.errors import InvalidInput
from corral.images.digests import of
from corral.images.layers import Layer
from corral.images.origins import Known
from corral.images.platforms import host_level, host_platform, split_platform
from corral.images.references import Reference
from corral.images.remote.cancel import Cancel
from corral.images.remote.documents import OCI_MANIFEST, Blob, Index, choose_entry, parse_document
from corral.images.remote.fetching import Fetch
from corral.images.remote.hub import Hub, Resolved
from corral.images.remote.progress import Report
from corral.images.remote.push import Push
from corral.images.remote.refusal import explain_pull
from corral.images.remote.threads import blocking
from corral.linux.streams import in_thread
from corral.model.transfer import Credentials, Note

if TYPE_CHECKING:
    from corral.images.draft import Draft
    from corral.images.library import Images

CONFIG = "application/vnd.buildkit.cacheconfig.v0"  # of caches; who wrote one says so in it
_LIMIT = 32 << 20
_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


class Found:
    """A cache in a registry: `config` is what it says of itself, `layers` are its blobs."""

    def __init__(
        self, images: Images, hub: Hub, ref: Reference, where: Resolved, config: bytes, kind: str, layers: list[Blob]
    ) -> None:
        self._images, self._hub, self._ref, self._where = images, hub, ref, where
        self.config, self.config_type, self.layers = config, kind, layers

    async def bring(self, blob: Blob, diff: str, draft: Draft) -> None:
        """One of its layers becomes the next one of `draft`. InvalidInput if it is not `diff`; what a pull raises."""
        sources = [self._hub.source(e, who, self._ref.path, blob.digest) for e, who in self._where.sources]
        cancel, below = Cancel(), draft.dirs()

        def unpack(fetch: Fetch) -> Layer:
            with closing(fetch.chunks(cancel)) as chunks:
                return self._images.layers.unpack(chunks, lambda: below, self._images.limits, cancel.stop)

        async with self._hub.fetching(blob, sources) as fetch:
            layer = await self._finished(in_thread("unpack cache", lambda: unpack(fetch)), cancel)
        if layer.diff != diff:
            await in_thread("remove layer", lambda: self._images.layers.remove([layer]))
            raise InvalidInput(f"layer {blob.digest} of {self._ref.familiar} unpacks to {layer.diff}, not {diff}")
        draft.add_next(layer)
        known = Known(blob.digest, blob.size, blob.mediaType, [self._ref.name])
        await self._images.remember(lambda: self._images.origins.learn(diff, known))

    async def _finished(self, made: asyncio.Future[Layer], cancel: Cancel) -> Layer:
        """Cancelled, it waits for the thread, and nothing is left."""
        try:
            return await asyncio.shield(made)
        except asyncio.CancelledError:
            cancel.stop()
            await asyncio.wait([made])
            if not made.exception():
                self._images.layers.remove([made.result()])
            raise


async def find_cache(images: Images, hub: Hub, ref: Reference, credentials: Credentials) -> Found:
    """The cache, or the image, of this name. NotFound, RemoteFailed, InvalidInput."""
    resolved = await blocking(
        "manifest",
        lambda cancel: hub.resolve(ref, ref.digest or ref.tag, credentials, cancel),
        lambda refusal: explain_pull(refusal, ref),
    )
    found = resolved.found
    document = parse_document(found.data, found.content_type, found.digest, ref.familiar)
    if isinstance(document, Index):
        config_blob, layers = config_of(document)
        if config_blob is None:
            entry = choose_entry(document, split_platform(host_platform()), host_level())
            found = await blocking("manifest", lambda cancel: resolved.repository.again(cancel).manifest(entry.digest))
            document = parse_document(found.data, found.content_type or entry.media_type, found.digest, ref.familiar)
            if isinstance(document, Index):
                raise InvalidInput(f"the index of {ref.familiar} names another index: it is no cache")
            config_blob, layers = document.config, document.layers
    else:
        config_blob, layers = document.config, document.layers
    blob = config_blob
    config = await blocking("config", lambda cancel: resolved.repository.again(cancel).small_blob(blob, _LIMIT))
    return Found(images, hub, ref, resolved, config, blob.mediaType, layers)


def config_of(index: Index) -> tuple[Blob | None, list[Blob]]:
    """Pure: the configuration and the layers of a cache that is an index of blobs, BuildKit's older form; None for any
    other index."""
    blobs = [Blob(entry.digest, entry.size, entry.media_type) for entry in index.entries]
    configs = [blob for blob in blobs if blob.mediaType == CONFIG]
    return (configs[0], [blob for blob in blobs if blob.mediaType != CONFIG]) if configs else (None, [])


async def push_cache(
    push: Push, ref: Reference, layers: Sequence[Layer], describe: Callable[[list[Blob]], bytes], report: Report
) -> str:
    """Sends the layers, and then what `describe` says of their blobs; the manifest's digest. The caller holds them."""
    blobs = await push.layers(layers)
    config = describe(blobs)
    data = build_cache_manifest(config, blobs)
    digest = await push.document(ref, config, OCI_MANIFEST, data)
    report(Note(f"{ref.tag}: digest: {digest} size: {len(data)}"))
    return digest


def build_cache_manifest(config: bytes, layers: Sequence[Blob]) -> bytes:
    """Pure: the same blobs give the same bytes."""
    seen = {blob.digest: blob for blob in layers}
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(config), "digest": of(config)},
            "layers": [
                {"mediaType": _oci_type(blob.mediaType), "size": blob.size, "digest": blob.digest}
                for blob in seen.values()
            ],
        }
    )


def _oci_type(media_type: str) -> str:
    """A layer's media type among OCI's.

    >>> _oci_type("application/vnd.docker.image.rootfs.diff.tar.gzip")
    'application/vnd.oci.image.layer.v1.tar+gzip'
    """
    for end in ("zstd", "gzip"):
        if media_type.endswith(end):
            return f"{_OCI_LAYER}+{end}"
    return _OCI_LAYER


__all__ = ["CONFIG", "Found", "build_cache_manifest", "config_of", "find_cache", "push_cache"]
