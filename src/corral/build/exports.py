"""Exports: what a build has made, taken to a registry, or given out, for the builds of other machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing

from corral.build import cacheconfig
from corral.build.bases import Know
from corral.build.events import Telling
from corral.build.exchange import Document, Entry, LayerOf
from corral.build.records import Record
from corral.build.request import BuildRequest, CacheGiven, CacheStore
from corral.build.result import Done
from corral.build.stores import compression_level, ignores_errors
from corral.build.works import Works
from corral.errors import CorralError
from corral.images.cachelayout import write_cache
from corral.images.layers import Layer
from corral.images.references import parse_tag
from corral.images.remote.documents import Blob
from corral.linux.streams import produce


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
    works: Works, request: BuildRequest, know: Know, number: int, records: Sequence[Record], seen: Mapping[str, str],
    telling: Telling,
) -> None:  # fmt: skip
    """Carries out one of `cache_to`: the layers of these records, which are held. What a push raises."""
    store = request.cache_to[number]
    unique = list({record.key: record for record in records}.values())
    layers = [works.images.layers.stack(record.chain)[-1] for record in unique]

    def describe(blobs: list[Blob]) -> bytes:
        return describe_cache(unique, layers, blobs, seen)

    try:
        if store.kind == "registry":
            await _push(works, know, store, layers, describe, telling)
        elif store.kind == "local":
            await _give(works, number, store, layers, describe, telling)
    except CorralError as error:
        if not ignores_errors(store):
            raise
        with telling.vertex("ignoring the failed export of a cache") as vertex:
            vertex.print(2, f"cache-to type={store.kind}: {error.message}\n".encode())


def describe_cache(
    records: Sequence[Record], layers: Sequence[Layer], blobs: Sequence[Blob], seen: Mapping[str, str]
) -> bytes:
    """Pure: a cache's configuration. Records of one layer share it."""
    numbers: dict[str, int] = {}
    kept: list[LayerOf] = []
    entries: list[Entry] = []
    for record, layer, blob in zip(records, layers, blobs, strict=True):
        if layer.diff not in numbers:
            numbers[layer.diff] = len(kept)
            kept.append(LayerOf(layer.diff, blob.digest, blob.size, blob.mediaType))
        entries.append(Entry(record.key, numbers[layer.diff], record.created, record.description))
    return cacheconfig.write(Document(layers=kept, records=entries, seen=dict(seen)))


Describe = Callable[[list[Blob]], bytes]


async def _push(
    works: Works,
    know: Know,
    store: CacheStore,
    layers: Sequence[Layer],
    describe: Describe,
    telling: Telling,
) -> None:
    ref = parse_tag(store.ref)
    credentials = await know(ref.domain)
    with telling.vertex("exporting cache to registry") as vertex:
        notes = works.images.remote.push_cache(ref, layers, describe, credentials=credentials)
        async with aclosing(notes):
            async for note in notes:
                vertex.moved(note)


async def _give(
    works: Works, number: int, store: CacheStore, layers: Sequence[Layer], describe: Describe, telling: Telling
) -> None:
    options = store.options
    with telling.vertex("exporting cache to client directory") as vertex:
        said: list[str] = []

        def work(write: Callable[[bytes], None]) -> None:
            digest = write_cache(
                write,
                works.images,
                layers,
                describe,
                tag=options.get("tag", ""),
                compression=options.get("compression", ""),
                level=compression_level(options),
            )
            said.append(f"writing cache image manifest {digest}\n")

        async with aclosing(produce(work, name="cache")) as chunks:
            async for chunk in chunks:
                if chunk:
                    telling.say(CacheGiven(number, chunk))
                    await telling.room()
        vertex.print(1, "".join(said).encode())
