"""Whoever stops in the middle of a blob or a layer holds no file of it open: its blocks are free when it is deleted.

Python's collector is off here, and errors are kept: what an error alone holds must be closed all the same.
"""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from corral.errors import CorralError, InvalidInput, NotFound
from corral.images import Images, digests
from corral.images.cachelayout import LayoutCache, write_cache
from corral.images.layers import Layer
from corral.images.library import top
from corral.images.remote.documents import Blob
from corral.images.remote.names import pull_reference
from corral.linux.streams import Ended
from corral.model.transfer import ANYBODY
from tests.support.fake_registry import FakeRegistry
from tests.support.imagestore import an_image, store
from tests.support.tars import member, tar
from tests.support.wait import eventually_async

pytestmark = pytest.mark.root
BREAKS_OUT = tar(member("../../escaped", data=b"x"), member("large", data=os.urandom(8_000_000)))


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with store(tmp_path / "store") as made:
        yield made
        await made.disconnect()


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def opened(place: Path) -> list[str]:
    """The files below a directory that this process has open."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return [path for path in found if path.startswith(f"{place}/")]


def a_cache(images: Images, place: Path, blob: bytes) -> tuple[LayoutCache, Blob]:
    """A cache in a directory, whose one layer is this."""
    digest = digests.of(blob)
    (place / "blobs/sha256").mkdir(parents=True)
    (place / "blobs/sha256" / digest.removeprefix("sha256:")).write_bytes(blob)
    layer = Blob(digest, len(blob), "application/vnd.oci.image.layer.v1.tar")
    return LayoutCache(images, str(place), b"", "", [layer]), layer


async def test_a_layer_of_a_cache_that_cannot_be_unpacked(images: Images, tmp_path: Path) -> None:
    cache, blob = a_cache(images, tmp_path / "cache", BREAKS_OUT)
    async with images.draft() as draft:
        with pytest.raises(InvalidInput, match="breaks out") as kept:
            await cache.bring(blob, digests.of(BREAKS_OUT), draft)
    assert opened(tmp_path / "cache") == [], kept


async def test_a_directory_in_the_place_of_a_caches_layer(images: Images, tmp_path: Path) -> None:
    cache, blob = a_cache(images, tmp_path / "cache", b"")
    place = tmp_path / "cache/blobs/sha256" / blob.digest.removeprefix("sha256:")
    place.unlink()
    place.mkdir()
    async with images.draft() as draft:
        with pytest.raises(NotFound, match="is missing"):
            await cache.bring(blob, blob.digest, draft)
    assert opened(tmp_path / "cache") == []


async def a_large_layer(images: Images) -> Layer:
    image = await an_image(images, "app:1", member("large", data=os.urandom(8_000_000)))
    return images.layers.stack(top(image))[-1]


@pytest.mark.parametrize("compression", ["gzip", "uncompressed"])
async def test_a_cache_that_nobody_takes_any_more(images: Images, tmp_path: Path, compression: str) -> None:
    layer = await a_large_layer(images)
    told = 0

    def write(data: bytes) -> None:
        nonlocal told
        told += 1
        if told > 5:
            raise Ended

    with pytest.raises(Ended) as kept:
        write_cache(write, images, [layer], lambda blobs: b"{}", compression=compression)
    assert opened(tmp_path / "store/images/layers") == [], kept


async def test_an_archive_that_nobody_takes_any_more(images: Images, tmp_path: Path) -> None:
    await a_large_layer(images)
    chunks = images.save(["app:1"])
    await anext(chunks)
    await chunks.aclose()
    assert opened(tmp_path / "store/images/layers") == []


async def test_a_pulled_layer_that_cannot_be_unpacked(images: Images, tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        registry.add_image("app", "1", [BREAKS_OUT])
        ref = pull_reference(f"{registry.host}/app", "1")
        with pytest.raises(InvalidInput, match="breaks out") as kept:
            _ = [note async for note in images.remote.pull(ref, credentials=ANYBODY)]
    await eventually_async(lambda: not opened(tmp_path / "store/images/content"), f"it is closed, with {kept} at hand")


async def test_a_push_that_is_refused_on_the_way(images: Images, tmp_path: Path) -> None:
    await a_large_layer(images)
    with FakeRegistry() as registry:
        await images.tag("app:1", f"{registry.host}/app:1")
        registry.fault(lambda ask: ask.command == "PATCH" and ask.refuse(403, "DENIED"))
        ref = pull_reference(f"{registry.host}/app", "1")
        with pytest.raises(CorralError, match="denied") as kept:
            _ = [note async for note in images.remote.push(ref, credentials=ANYBODY)]
    for place in ("content", "layers"):
        assert opened(tmp_path / "store/images" / place) == [], kept
