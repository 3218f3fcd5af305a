"""Caches from elsewhere, well made and not."""

from __future__ import annotations

import json

import msgspec
import pytest

from corral.build import cacheconfig
from corral.build.exchange import INLINE, Document, Entry, LayerOf, offers_of, read_document, write_inline
from corral.errors import InvalidInput
from corral.images import cachelayout
from corral.images.remote.documents import Blob
from corral.images.remote.subject import plan_index


def test_what_is_written_inline_is_read_again_beside_the_image_s_own_words() -> None:
    data = write_inline(b'{"os":"linux","rootfs":{}}', [Entry("k", 1, 7, "RUN a")], {"s": "d"})
    assert json.loads(data)["os"] == "linux"
    blobs = [Blob("sha256:1", 1), Blob("sha256:2", 2, "gzip")]
    document = read_document(data, ["sha256:a", "sha256:b"], blobs)
    offer = offers_of(document)["k"]
    assert document.seen == {"s": "d"}
    assert (offer.layer.diff, offer.layer.blob, offer.created) == ("sha256:b", blobs[1], 7)


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"[]",
        b"{}",
        b'{"a":' * 100_000,
        b'{"records":7}',
        b'{"records":[{"key":"k","layer":9}]}',
        b'{"records":[{"key":"k","layer":-1}]}',
        b'{"version":99,"records":[{"key":"k","layer":0}]}',
        json.dumps({INLINE: "no"}).encode(),
        json.dumps({INLINE: None}).encode(),
    ],
)
def test_nonsense_offers_nothing(config: bytes) -> None:
    assert offers_of(read_document(config, ["sha256:a"], [])) == {}


def test_a_document_of_its_own_names_its_layers() -> None:
    document = Document(layers=[LayerOf("sha256:a", "sha256:b", 3, "gzip")], records=[Entry("k", 0)])
    assert offers_of(read_document(msgspec.json.encode(document), [], []))["k"].layer.digest == "sha256:b"


DEEP = b'{"a":' * 100_000


def test_nothing_from_elsewhere_is_too_deep_to_be_refused() -> None:
    """Each has said so in Python's own words, and that is a failure of ours."""
    index, referrers = (lambda data: cachelayout._tagged(data, "x")), (lambda data: plan_index(data, {"digest": "x"}))
    for read in (cacheconfig.read, index, referrers):
        with pytest.raises(InvalidInput):
            read(DEEP)
