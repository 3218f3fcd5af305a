"""Layers made of what is there already: an upper directory that is moved, a layer used again, several as one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from corral.images import Images, growth
from corral.images.changes import changes
from corral.images.library import top
from corral.images.packing import pack_layer
from corral.images.union import find
from corral.linux import mounts
from corral.model.image import Image
from tests.support.imagestore import an_image, leftovers, nobody, store
from tests.support.tars import listing, member

pytestmark = pytest.mark.root

Write = Callable[[Path], None]


def scribble(root: Path) -> None:
    """All kinds of changes."""
    (root / "new").mkdir(0o1777)
    (root / "new/file").write_bytes(b"n" * 70_000)
    (root / "new/empty").touch()
    os.link(root / "new/file", root / "new/again")
    os.symlink("../etc/passwd", root / "new/link")
    os.mkfifo(root / "new/fifo")
    os.chown(root / "etc/passwd", 7, 8)
    (root / "bin/sh").unlink()
    shutil.rmtree(root / "usr")
    (root / "usr").mkdir()
    (root / "usr/other").write_text("o")
    os.setxattr(root / "new/file", "user.note", b"yes")


async def written(images: Images, base: Path, image: Image, write: Write, id: str = "c1") -> None:
    images.prepare_on(id, top(image))
    target = base / f"merged-{id}"
    target.mkdir()
    images.rootfs.mount(id, str(target))
    write(target)
    images.rootfs.unmount(str(target))


async def test_an_upper_directory_becomes_the_layer_that_its_tar_would(tmp_path: Path) -> None:
    async with store(tmp_path) as images:
        image = await an_image(images)
        await written(images, tmp_path, image, scribble)
        upper, below = images.rootfs.upper("c1"), images.layers.dirs(top(image))
        pieces: list[bytes] = []
        pack_layer(pieces.append, upper, below)
        before = changes(upper, below)
        inode = os.stat(f"{upper}/new/file").st_ino
        async with images.draft() as draft:
            draft.hold_all(top(image))
            diff = await growth.adopt(images, "c1", draft)
            layer = images.layers.stack(draft.top)[-1]
            assert b"".join(images.layers.tar(layer)) == b"".join(pieces), "it is made again bit for bit"
            assert (layer.diff, layer.size) == (diff, 70_023)
            moved = images.layers.dir_of(layer)
            assert os.stat(f"{moved}/new/file").st_ino == inode, "no file was copied"
            assert changes(moved, below) == before
            await images.discard("c1")
        assert leftovers(tmp_path) == [f"layers/{Path(below[0]).parent.name}"]


async def test_kept_layers_outlive_everything_but_their_name(tmp_path: Path) -> None:
    async with store(tmp_path) as images:
        image = await an_image(images)
        await written(images, tmp_path, image, scribble)
        async with images.draft() as draft:
            draft.hold_all(top(image))
            await growth.adopt(images, "c1", draft)
            chain = draft.top
            await images.keep({"test/one": chain, "test/two": chain})
        await images.discard("c1")
        await images.remove("app:1", used_by=nobody)
    async with store(tmp_path) as images:
        assert images.layers.get(chain) and images.kept("test/") == {"test/one": chain, "test/two": chain}
        assert await images.unkeep(["test/one", "test/none"]) == 0
        assert await images.unkeep(["test/two"]) > 70_000
        assert images.layers.get(chain) is None and leftovers(tmp_path) == []


async def test_a_layer_lies_on_others_without_more_disk(tmp_path: Path) -> None:
    async with store(tmp_path) as images:
        image, other = await an_image(images), await an_image(images, "other:1", member("more", data=b"m"))
        await written(images, tmp_path, image, scribble)
        async with images.draft() as first, images.draft() as second:
            first.hold_all(top(image))
            await growth.adopt(images, "c1", first)
            second.hold_all(top(other))
            await growth.graft(images, first.top, second)
            one, again = (images.layers.stack(draft.top)[-1] for draft in (first, second))
            assert one.diff == again.diff and one.place != again.place
            assert b"".join(images.layers.tar(one)) == b"".join(images.layers.tar(again))
            assert listing(images.layers.dir_of(one)) == listing(images.layers.dir_of(again))
            files = [os.stat(f"{images.layers.dir_of(layer)}/new/file").st_ino for layer in (one, again)]
            assert files[0] == files[1]
        await images.discard("c1")


def second(root: Path) -> None:
    shutil.rmtree(root / "new")
    (root / "new").mkdir()
    (root / "new/late").write_text("late")
    (root / "usr/other").unlink()
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").mkdir()


async def test_several_layers_as_one_show_the_same(tmp_path: Path) -> None:
    async with store(tmp_path) as images:
        image = await an_image(images)
        await written(images, tmp_path, image, scribble)
        async with images.draft() as draft, images.draft() as merged:
            draft.hold_all(top(image))
            await growth.adopt(images, "c1", draft)
            images.prepare_on("c2", draft.top)
            target = tmp_path / "second"
            target.mkdir()
            images.rootfs.mount("c2", str(target))
            second(target)
            images.rootfs.unmount(str(target))
            await growth.adopt(images, "c2", draft)
            merged.hold_all(top(image))
            await growth.merge(images, draft.top, merged)
            shown = []
            for one in (draft, merged):
                place = tmp_path / f"show-{len(shown)}"
                place.mkdir()
                mounts.mount_overlay(str(place), one.dirs())
                shown.append(listing(place))
            assert shown[0] == shown[1] and "new/late" in shown[1] and "bin/sh" not in shown[1]
            layer = images.layers.stack(merged.top)[-1]
            assert find([images.layers.dir_of(layer)], "usr/other") is None
            mounts.unmount_under(str(tmp_path))
        await images.discard("c1")
        await images.discard("c2")


async def test_mount_points_of_its_own_never_get_into_the_layer(tmp_path: Path) -> None:
    async with store(tmp_path) as images:
        image = await an_image(images)
        images.prepare_on("c1", top(image), {"deep/er/place": "dir", "etc/secret": "file", "usr/lib/x": "dir"})
        target = tmp_path / "merged"
        target.mkdir()
        images.rootfs.mount("c1", str(target))
        assert (target / "deep/er/place").is_dir() and (target / "etc/secret").is_file()
        below = images.layers.dirs(top(image))
        assert os.stat(target / "etc").st_mtime_ns == os.stat(f"{below[0]}/etc").st_mtime_ns
        (target / "deep/er/file").write_text("mine")
        images.rootfs.unmount(str(target))
        assert sorted(listing(images.rootfs.upper("c1"))) == ["deep", "deep/er", "deep/er/file"]
        await images.discard("c1")
