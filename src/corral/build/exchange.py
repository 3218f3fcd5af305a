"""Exchange: caches that come from elsewhere and are taken there: what layers of an image or of a registry are for.

A cache has a configuration in BuildKit's form (see `cacheconfig`); with an *inline* cache a field of the image's own
is JSON, which older registries' caches are too::

    {"version": 1, "layers": [{"diff": …, "digest": …, "size": …, "mediaType": …}, …],
     "records": [{"key": …, "layer": NUMBER, "created": …, "description": …}, …],
     "seen": {KEY: DIGEST, …}}

`key` is ours (see `cache`), `layer` counts from 0; `seen` says what was read of stages that are only copied from (see
`foresight`); of an image, `layers` are its own, and are left out. An image that
says nothing of the kind can still be of use, in the way of Docker's classic builder: where its history has gone the
same way so far, the next step that reads no files but those of its stage gives its next layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from corral.build.cache import KEY_FORMAT
from corral.build.ops import RunOp, Step, WorkdirOp
from corral.images.remote.documents import Blob
from corral.model.container import Struct
from corral.model.image import Image

INLINE = "corral.build.cache.v1"


class LayerOf(Struct):
    """A layer, and its blob in the registry."""

    diff: str
    digest: str = ""
    size: int = 0
    mediaType: str = ""

    @property
    def blob(self) -> Blob:
        return Blob(self.digest, self.size, self.mediaType)


class Entry(Struct):
    """A step's result."""

    key: str
    layer: int
    created: int = 0
    description: str = ""


class Document(Struct):
    version: int = KEY_FORMAT
    layers: list[LayerOf] = []
    records: list[Entry] = []
    seen: dict[str, str] = {}


class Offer(Struct):
    """A layer that a step needs not make. `layer` says where it is; without a digest it is in this store, or not."""

    layer: LayerOf
    created: int
    description: str = ""


def read_document(config: bytes, diff_ids: Sequence[str], blobs: Sequence[Blob]) -> Document:
    """Pure: what a cache's configuration says, or an image's (with its layers' diff ids and blobs). Nothing where it
    says nothing, or what another version said.

    >>> text = b'{"corral.build.cache.v1":{"version":1,"records":[{"key":"k","layer":0}]}}'
    >>> offers_of(read_document(text, ["sha256:a"], []))["k"].layer.diff
    'sha256:a'
    >>> read_document(b"{}", [], []) == Document()
    True
    """
    try:
        found: Any = msgspec.json.decode(config)
        raw = found.get(INLINE, found) if isinstance(found, dict) else None
        document = msgspec.convert(raw, Document) if isinstance(raw, dict) and "records" in raw else Document()
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError):
        return Document()
    layers = document.layers or [_own(n, diff, blobs) for n, diff in enumerate(diff_ids)]
    if document.version != KEY_FORMAT:
        return Document()
    return replace(document, layers=layers)


def offers_of(document: Document) -> dict[str, Offer]:
    """Pure: the offers of a document, by key."""
    layers = document.layers
    return {
        one.key: Offer(layers[one.layer], one.created, one.description)
        for one in document.records
        if 0 <= one.layer < len(layers)
    }


def _own(number: int, diff: str, blobs: Sequence[Blob]) -> LayerOf:
    if number >= len(blobs):
        return LayerOf(diff)
    blob = blobs[number]
    return LayerOf(diff, blob.digest, blob.size, blob.mediaType)


def write_inline(data: bytes, entries: Sequence[Entry], seen: Mapping[str, str]) -> bytes:
    """Pure: an image's configuration that also says what its layers are for."""
    found: dict[str, Any] = msgspec.json.decode(data)
    document = Document(records=list(entries), seen=dict(seen))
    return msgspec.json.encode({**found, INLINE: document}, order="sorted")


def history_offer(
    image: Image, blobs: Sequence[Blob], diffs: Sequence[str], created_by: Sequence[str], step: Step
) -> Offer | None:
    """Pure: what an image's history offers for the next step, after layers `diffs` with these entries of history.

    >>> from corral.build.ops import Span
    >>> from corral.model.image import HistoryEntry, ImageConfig
    >>> history = [HistoryEntry(created_by="FROM"), HistoryEntry(7, "RUN make")]
    >>> image = Image("i", diff_ids=["sha256:a", "sha256:b"], history=history)
    >>> step = Step("RUN make", "RUN make", Span(2, 2), ImageConfig(), RunOp(["make"]))
    >>> history_offer(image, [], ["sha256:a"], ["FROM"], step).layer.diff
    'sha256:b'
    >>> history_offer(image, [], ["sha256:c"], ["FROM"], step), history_offer(image, [], ["sha256:a"], ["ADD"], step)
    (None, None)
    """
    op, place = step.op, len(created_by)
    plain = isinstance(op, WorkdirOp) or (isinstance(op, RunOp) and not op.mounts and not op.files)
    if not plain or image.diff_ids[: len(diffs)] != list(diffs) or len(image.diff_ids) <= len(diffs):
        return None
    if [entry.created_by for entry in image.history[:place]] != list(created_by) or place >= len(image.history):
        return None
    following = image.history[place]
    if following.created_by != step.created_by or following.empty_layer:
        return None
    return Offer(_own(len(diffs), image.diff_ids[len(diffs)], blobs), following.created, step.text)
