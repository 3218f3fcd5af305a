"""Imports: the caches that a request brings along, asked when this instance has no record of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from corral.build import cacheconfig
from corral.build.client import Client
from corral.build.exchange import Document, Offer, history_offer, offers_of, read_document
from corral.build.ops import Step
from corral.build.request import BuildRequest, CacheStore
from corral.build.works import Works
from corral.errors import CorralError, InvalidInput, NotFound
from corral.images import config as configs
from corral.images.cachelayout import CONFIG, LayoutCache, read_cache
from corral.images.digests import next_chain
from corral.images.draft import Draft
from corral.images.references import parse
from corral.model.image import Image

if TYPE_CHECKING:
    from corral.images.remote.caches import Found

Warn = Callable[[str], None]


@dataclass
class Past:
    """How a stage came to where it is: the diff ids of its layers, and its history's entries."""

    diffs: Sequence[str] = ()
    created_by: Sequence[str] = ()


@dataclass
class _Cache:
    """One that could be reached. `remote` None is an image of this store."""

    document: Document
    offers: dict[str, Offer] = field(default_factory=dict)
    image: Image | None = None
    remote: Found | LayoutCache | None = None


def _cache(document: Document, image: Image | None, remote: Found | LayoutCache | None = None) -> _Cache:
    return _Cache(document, offers_of(document), image, remote)


class Imports:
    """Those of one build. They are looked for once, when the first step needs them; one that cannot be had is told
    with `warn`, and is no reason to fail."""

    def __init__(self, works: Works, request: BuildRequest, client: Client, warn: Warn) -> None:
        self._works, self._request, self._client, self._warn = works, request, client, warn
        self._caches: asyncio.Task[list[_Cache]] | None = None

    async def bring(self, key: str, step: Step, past: Past, draft: Draft) -> Offer | None:
        """Makes the layer of a step the next of `draft`, if any cache has it; None otherwise."""
        for cache in await self._all():
            offer = cache.offers.get(key)
            if offer is None and cache.image is not None and past.diffs:
                blobs = cache.remote.layers if cache.remote else []
                offer = history_offer(cache.image, blobs, past.diffs, past.created_by, step)
            if offer is None:
                continue
            if draft.hold(next_chain(draft.top, offer.layer.diff)):
                return offer
            if cache.remote is None:
                continue
            try:
                await cache.remote.bring(offer.layer.blob, offer.layer.diff, draft)
            except CorralError as error:
                self._warn(f"cache of {step.text}: {error.message}")
            else:
                return offer
        return None

    async def seen(self, key: str) -> str:
        """The digest of what was read of a stage, "" if no cache says; `key` is `foresight`'s."""
        found = (cache.document.seen.get(key, "") for cache in await self._all())
        return next((digest for digest in found if digest), "")

    async def _all(self) -> list[_Cache]:
        if not self._request.cache_from:
            return []
        if self._caches is None:
            self._caches = asyncio.create_task(self._find(), name="caches")
        return await asyncio.shield(self._caches)

    async def _find(self) -> list[_Cache]:
        found = await asyncio.gather(*(self._one(store) for store in self._request.cache_from))
        return [cache for cache in found if cache is not None]

    async def _one(self, store: CacheStore) -> _Cache | None:
        """An image of this store is asked before a registry is."""
        if store.kind == "local":
            return await self._local(store)
        try:
            image = self._works.images.get(store.ref)
        except NotFound:
            return await self._remote(store)
        data = await asyncio.to_thread(self._works.images.config_bytes, image.id)
        return _cache(read_document(data, image.diff_ids, []), image)

    async def _remote(self, store: CacheStore) -> _Cache | None:
        try:
            ref = parse(store.ref).tagged()
            credentials = await self._client.credentials(ref.domain)
            found = await self._works.images.remote.find_cache(ref, credentials)
            if found.config_type == CONFIG:
                return _cache(cacheconfig.read(found.config), None, found)
            try:
                image = configs.parse(found.config)
            except CorralError:  # a cache, no image
                return _cache(read_document(found.config, [], []), None, found)
        except CorralError as error:
            self._warn(f"cache {store.ref} cannot be used: {error.message}")
            return None
        return _cache(read_document(found.config, image.diff_ids, found.layers), image, found)

    async def _local(self, store: CacheStore) -> _Cache | None:
        """What a client sent of a directory."""
        tag, digest = store.options.get("tag", ""), store.options.get("digest", "")
        try:
            found = await asyncio.to_thread(read_cache, self._works.images, store.ref, tag=tag, digest=digest)
            if found.config_type != CONFIG:
                raise InvalidInput(
                    f"its configuration is of type {found.config_type or 'unknown'}, which is no cache's"
                )
            return _cache(cacheconfig.read(found.config), None, found)
        except CorralError as error:
            self._warn(f"cache type=local cannot be used: {error.message}")
            return None

    async def close(self) -> None:
        if self._caches is not None:
            self._caches.cancel()
            await asyncio.gather(self._caches, return_exceptions=True)
