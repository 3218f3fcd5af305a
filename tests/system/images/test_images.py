"""The library as the engine uses it: images in and out, containers on them, and nothing left behind."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.errors import Conflict, InvalidInput, NotFound, Unavailable
from corral.images import Images, Loaded, Removed, digests
from corral.linux import mounts
from corral.linux.archive import Limits
from corral.model.image import ImageConfig
from tests.support.imagestore import TREE, an_image, leftovers, nobody, store
from tests.support.tars import member, stream, tar
from tests.system.images.test_rootfs import mounted

pytestmark = pytest.mark.root


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
async def test_import(images: Images, tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    data = tar(*TREE)
    image = await images.import_rootfs(
        stream(pack(data), 700),
        ref="app:1",
        message="hi",
        config=ImageConfig(command=["sh"]),
        platform="linux/arm64/v8",
    )
    assert image == images.get("app:1") == images.get(image.id)
    assert (image.diff_ids, image.tags) == ([digests.of(data)], ["docker.io/library/app:1"])
    assert (image.architecture, image.variant, image.comment, image.history[0].comment) == ("arm64", "v8", "hi", "hi")
    assert image.layer_sizes == [image.size] == [5002 + 22 + 3000]
    assert digests.of(images.config_bytes("app:1")) == image.id
    images.prepare("c1", image.id)
    root = mounted(images, tmp_path, "c1")
    assert (root / "bin/sh").stat().st_size == 5002
    assert (root / "usr/lib/b").stat().st_nlink == 2


async def test_the_same_twice_is_stored_once(images: Images, tmp_path: Path) -> None:
    await an_image(images, "a:1")
    first = leftovers(tmp_path)
    await an_image(images, "b:1")
    assert leftovers(tmp_path) == first
    assert len(images.list()) == 1
    other = await an_image(images, "c:1", user="me")
    assert leftovers(tmp_path) == first
    assert other.diff_ids == images.get("a:1").diff_ids


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ""),
        (b"this is no archive" * 100, "invalid tar header"),
        (tar(*TREE)[:6000], "unexpected EOF"),
        (gzip.compress(tar(*TREE))[:-100], "damaged gzip stream: unexpected EOF"),
        (tar(*TREE, member("../../escape")), "'../../escape'"),
        (tar(*TREE, member("x", "hardlink", linkname="/../../etc/passwd")), "/../../etc/passwd"),
        (tar(*TREE, member("bin/sh/x")), "'bin/sh/x'"),
    ],
)
async def test_bad_archives_leave_nothing(images: Images, tmp_path: Path, data: bytes, words: str) -> None:
    if not words:
        assert (await images.import_rootfs(stream(data))).size == 0
        return
    with pytest.raises(InvalidInput) as raised:
        await images.import_rootfs(stream(data), ref="bad")
    assert words in raised.value.message
    assert leftovers(tmp_path) == [] == images.list()
    assert not (tmp_path / "escape").exists()


async def test_bad_names_are_refused_before_reading(images: Images) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("was read")
        yield b""

    for options in ({"ref": "Bad"}, {"platform": "windows/amd64"}, {"ref": "a@sha256:" + "0" * 64}):
        with pytest.raises(InvalidInput):
            await images.import_rootfs(unread(), **options)


async def test_limits(tmp_path: Path) -> None:
    images = await Images.open(str(tmp_path), clock=_Clock(), limits=Limits(entries=3))
    with pytest.raises(InvalidInput, match="more than 3 entries"):
        await images.import_rootfs(stream(tar(*TREE)))
    assert leftovers(tmp_path) == []
    images.close()


class _Clock:
    def now(self) -> int:
        return 1


async def test_a_client_that_goes_away(images: Images, tmp_path: Path) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield tar(*TREE)[:4000]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await images.import_rootfs(cut())
    waiting = asyncio.Event()

    async def hang() -> AsyncIterator[bytes]:
        yield tar(*TREE)[:4000]
        waiting.set()
        await asyncio.Event().wait()

    for start in (lambda: images.import_rootfs(hang()), lambda: _all(images.load(hang()))):
        waiting.clear()
        task = asyncio.create_task(start())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert leftovers(tmp_path) == []


async def _all(events: AsyncIterator[Loaded]) -> list[Loaded]:
    return [event async for event in events]


async def test_tags_survive_a_restart(tmp_path: Path) -> None:
    async with store(tmp_path) as images:
        image = await an_image(images, "a:1")
        assert await images.tag("a:1", "b") == "docker.io/library/b:latest"
        other = await an_image(images, "a:1", user="other")
        for bad in ("Bad", "sha256:x", "a@sha256:" + "0" * 64):
            with pytest.raises(InvalidInput):
                await images.tag("b", bad)
        with pytest.raises(NotFound):
            await images.tag("nope", "c")
        names = {i.id: i.tags for i in images.list()}
    async with store(tmp_path) as images:
        assert {i.id: i.tags for i in images.list()} == names
        assert (images.get("b").id, images.get("a:1").id) == (image.id, other.id)
        assert images.get("b").tagged_at > 0
        assert images.size_of(image.id) == image.size


async def test_removal_deletes_layers_that_nobody_needs(images: Images, tmp_path: Path) -> None:
    one = await an_image(images, "a:1")
    two = await an_image(images, "b:1", user="other")
    assert await images.remove("a:1", used_by=nobody) == [
        Removed(untagged="docker.io/library/a:1"),
        Removed(deleted=one.id),
    ]
    assert len(leftovers(tmp_path)) == 1
    assert await images.remove(two.id[:20], used_by=nobody) == [
        Removed(untagged="docker.io/library/b:1"),
        Removed(deleted=two.id),
        Removed(deleted=one.diff_ids[0]),
    ]
    assert leftovers(tmp_path) == [] == images.list()
    with pytest.raises(NotFound):
        images.get(one.id)
    assert os.listdir(tmp_path / "images/content/blobs/sha256") == []


async def test_an_image_in_use(images: Images, tmp_path: Path) -> None:
    image = await an_image(images)
    images.prepare("c1", image.id)
    with pytest.raises(Conflict, match="container c1 is using"):
        await images.remove("app:1", used_by=lambda _: [("c1", False)])
    await images.remove("app:1", force=True, used_by=lambda _: [("c1", False)])
    assert images.list() == []
    root = mounted(images, tmp_path, "c1")  # its layers stay as long as it does
    assert (root / "bin/sh").exists()
    images.rootfs.unmount(str(root))
    await images.discard("c1")
    assert leftovers(tmp_path) == []


async def test_pins_survive_a_restart(tmp_path: Path) -> None:
    async with store(tmp_path) as images:
        image = await an_image(images)
        images.prepare("c1", image.id)
        await images.remove("app:1", force=True, used_by=nobody)
    async with store(tmp_path) as images:
        assert (images.rootfs.ids(), images.list()) == (["c1"], [])
        assert (mounted(images, tmp_path, "c1") / "bin/sh").exists()
        mounts.unmount_under(str(tmp_path))
        await images.discard("c1")
        await images.discard("c1")
        await images.discard("never there")
        assert leftovers(tmp_path) == []


async def test_two_daemons_on_one_directory(images: Images, tmp_path: Path) -> None:
    image = await an_image(images)
    with pytest.raises(Unavailable, match="in use by another daemon"):
        await Images.open(str(tmp_path), clock=_Clock())
    assert images.get("app:1").id == image.id
    assert len(leftovers(tmp_path)) == 1
