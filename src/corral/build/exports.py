"""Exports: what a build has made, taken to a registry for the builds of other machines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from corral.build.bases import find_credentials
from corral.build.events import Telling
from corral.build.exchange import Document, Entry, LayerOf
from corral.build.records import Record
from corral.build.request import BuildRequest, CacheStore
from corral.build.result import Done
from corral.build.works import Works
from corral.errors import InvalidInput, Unsupported
from corral.images.references import parse_tag
from corral.images.remote.documents import Blob


def check_stores(request: BuildRequest) -> None:
    """Pure: InvalidInput and Unsupported for what is not offered, by its name.

    >>> check_stores(BuildRequest(cache_to=[CacheStore("registry", "localhost:5000/cache")]))
    >>> check_stores(BuildRequest(cache_to=[CacheStore("local")]))
    Traceback (most recent call last):
    corral.errors.Unsupported: cache type=local is not supported: use type=registry,ref=NAME, or type=inline
    """
    for store in [*request.cache_from, *request.cache_to]:
        if store.kind == "local":
            raise Unsupported("cache type=local is not supported: use type=registry,ref=NAME, or type=inline")
        if store.kind == "registry" and not store.ref:
            raise InvalidInput("cache type=registry needs ref=NAME")
        if store.kind == "inline" and store in request.cache_from:
            raise InvalidInput("cache-from type=inline: an image's own cache is found by type=registry,ref=NAME")
        for name in store.options:
            raise Unsupported(f"cache type={store.kind}: the option {name} is not supported")
    for store in request.cache_to:
        if store.kind == "registry":
            parse_tag(store.ref)


def inline_entries(steps: Sequence[Done], below: int) -> list[Entry]:
    """Pure: what the layers of an image are for; `below` of them are its base's.

    >>> from corral.build.ops import Span, Step
    >>> from corral.model.image import ImageConfig
    >>> done = Done(Step("RUN a", "RUN a", Span(2, 2), ImageConfig()), "sha256:b", 7, "key")
    >>> [(entry.key, entry.layer) for entry in inline_entries([done], 3)]
    [('key', 3)]
    """
    layers = [one for one in steps if one.diff]
    return [Entry(one.key, below + number, one.created, one.step.text) for number, one in enumerate(layers) if one.key]


async def export(
    works: Works, request: BuildRequest, store: CacheStore, records: Sequence[Record], telling: Telling
) -> None:
    """Sends the layers of these records, which are held. What a push raises."""
    ref = parse_tag(store.ref)
    unique = {record.key: record for record in records}
    layers = [works.images.layers.stack(record.chain)[-1] for record in unique.values()]

    def describe(blobs: list[Blob]) -> bytes:
        kept = [
            LayerOf(layer.diff, blob.digest, blob.size, blob.mediaType)
            for layer, blob in zip(layers, blobs, strict=True)
        ]
        entries = [
            Entry(record.key, number, record.created, record.description)
            for number, record in enumerate(unique.values())
        ]
        return msgspec.json.encode(Document(layers=kept, records=entries))

    credentials = find_credentials(request.credentials, ref.domain)
    with telling.vertex("exporting cache to registry") as vertex:
        notes = works.images.remote.push_cache(ref, layers, describe, credentials=credentials)
        async with aclosing(notes):
            async for note in notes:
                vertex.moved(note)
