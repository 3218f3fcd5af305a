"""What a container sees of its image, and what becomes of what it writes: mounts, commits, removals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from corral.errors import Conflict, NotFound
from corral.images import Images
from corral.model.image import Change, ImageConfig
from tests.support.imagestore import an_image, leftovers, load, nobody, saved
from tests.support.tars import listing, member, stream, tar

pytestmark = pytest.mark.root


def mounted(images: Images, tmp_path: Path, container: str) -> Path:
    target = tmp_path / f"m-{container}"
    target.mkdir()
    images.rootfs.mount(container, str(target))
    return target


async def test_a_containers_files(images: Images, tmp_path: Path) -> None:
    image = await an_image(images)
    images.prepare("c1", image.id)
    with pytest.raises(Conflict):
        images.prepare("c1", image.id)
    with pytest.raises(NotFound):
        images.prepare("c2", "nope")
    root = mounted(images, tmp_path, "c1")
    assert await images.rootfs.changes("c1") == []  # the mount points that every container needs are there already
    assert {"dev", "proc", "sys", ".dockerenv"} <= set(os.listdir(root))
    assert os.readlink(root / "etc/mtab") == "/proc/mounts"
    assert (root / "etc").stat().st_mtime == 1_700_000_000
    (root / "etc/hosts").write_text("x" * 100)
    (root / "new").write_bytes(b"1" * 50)
    os.link(root / "new", root / "newer")
    (root / "etc/passwd").unlink()
    assert await images.rootfs.changes("c1") == [
        Change("/etc", "modified"), Change("/etc/hosts", "modified"), Change("/etc/passwd", "deleted"),
        Change("/new", "added"), Change("/newer", "added"),
    ]  # fmt: skip
    assert await images.rootfs.size_rw("c1") == 150
    for ask in (images.rootfs.changes, images.rootfs.size_rw):
        with pytest.raises(NotFound):
            await ask("nope")
    graph = images.rootfs.graph("c1")
    assert set(graph) == {"LowerDir", "UpperDir", "WorkDir", "MergedDir"}
    assert os.path.isdir(graph["UpperDir"]) and os.path.isdir(graph["WorkDir"])
    assert images.rootfs.graph("nope") == {}
    assert os.path.isdir(images.image_graph(image.id)["UpperDir"])


async def test_the_root_directory_looks_as_in_the_image(images: Images, tmp_path: Path) -> None:
    image = await images.import_rootfs(stream(tar(member("./", "dir", mode=0o1751, uid=7, gid=8), member("f"))))
    images.prepare("c1", image.id)
    there = mounted(images, tmp_path, "c1").stat()
    assert (there.st_mode & 0o7777, there.st_uid, there.st_gid) == (0o1751, 7, 8)


async def test_mounting_again_keeps_what_was_written(images: Images, tmp_path: Path) -> None:
    image = await an_image(images)
    images.prepare("c1", image.id)
    target = tmp_path / "m"
    target.mkdir()
    for n, ephemeral in enumerate([False, True, True, False]):
        images.rootfs.mount("c1", str(target), ephemeral=ephemeral)
        assert sorted(p.name for p in target.glob("run*")) == [f"run{i}" for i in range(n)]
        (target / f"run{n}").write_text("x")
        images.rootfs.unmount(str(target))
    images.rootfs.unmount(str(target))
    images.rootfs.unmount(str(tmp_path / "missing"))


async def test_a_container_whose_directories_a_power_cut_took(images: Images, tmp_path: Path) -> None:
    image = await an_image(images)
    images.prepare("c1", image.id)
    for name in ("upper", "work"):
        os.rmdir(os.path.dirname(images.rootfs.graph("c1")["UpperDir"]) + "/" + name)
    assert (mounted(images, tmp_path, "c1") / "bin/sh").exists()


async def test_an_image_without_layers(images: Images, tmp_path: Path) -> None:
    config = b'{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
    data = tar(
        member("c.json", data=config),
        member("manifest.json", data=json.dumps([{"Config": "c.json", "RepoTags": ["void:1"], "Layers": []}]).encode()),
    )
    (event,) = await load(images, data)
    images.prepare("c1", event.id)
    root = mounted(images, tmp_path, "c1")
    (root / "bin").mkdir()
    (root / "bin/x").write_text("1")
    image = await images.commit("c1", images.get("void:1"), config=ImageConfig())
    assert len(image.diff_ids) == 1
    await load(images, await saved(images, "void:1"))


async def test_commit(images: Images, tmp_path: Path) -> None:
    base = await an_image(images)
    images.prepare("c1", base.id)
    root = mounted(images, tmp_path, "c1")
    (root / "data").write_text("hello")
    (root / "etc/passwd").unlink()
    before = {k: v[:3] for k, v in listing(root).items()}
    image = await images.commit(
        "c1", base, config=ImageConfig(command=["a", "b"]), ref="app:2", author="me", comment="note"
    )
    assert (image.parent, image.author, image.comment, image.tags) == (
        base.id,
        "me",
        "note",
        ["docker.io/library/app:2"],
    )
    assert (image.history[-1].created_by, image.history[-1].comment) == ("a b", "note")
    assert image.layer_sizes == [*base.layer_sizes, 5]
    images.prepare("c2", image.id)
    again = mounted(images, tmp_path, "c2")
    assert {k: v[:3] for k, v in listing(again).items()} == before
    assert (again / "data").read_text() == "hello"
    assert await images.rootfs.changes("c2") == []
    with pytest.raises(Conflict, match="dependent child images"):
        await images.remove(base.id, used_by=nobody)


async def test_commit_without_changes_makes_no_layer(images: Images, tmp_path: Path) -> None:
    base = await an_image(images)
    images.prepare("c1", base.id)
    before = leftovers(tmp_path)
    image = await images.commit("c1", base, config=ImageConfig(user="me"), ref="app:2", comment="note")
    assert image.diff_ids == base.diff_ids
    assert image.history[-1].empty_layer
    assert leftovers(tmp_path) == before
    assert len(await load(images, await saved(images, "app:2"))) == 1
