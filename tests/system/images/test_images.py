"""The library as the engine uses it: images in and out, containers on them, and nothing left behind."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.errors import Conflict, CorralError, HostError, InvalidInput, NotFound, Unavailable
from corral.images import Images, LayerProgress, Loaded, Removed, digests
from corral.linux import mounts
from corral.linux.archive import Limits
from corral.model.image import Change, ImageConfig
from tests.support.imagestore import TREE, an_image, leftovers, load, nobody, saved, store
from tests.support.tars import listing, member, stream, tar

pytestmark = pytest.mark.root


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with store(tmp_path) as made:
        yield made


def mounted(images: Images, tmp_path: Path, container: str) -> Path:
    target = tmp_path / f"m-{container}"
    target.mkdir()
    images.rootfs.mount(container, str(target))
    return target


# In.


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


# Names and removal.


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


# Containers.


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


# Commit.


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


# Out, and in again.


async def two_layers(images: Images, tmp_path: Path) -> None:
    base = await an_image(images, "app:1", command=["sh"], labels={"a": "b"})
    images.prepare("c0", base.id)
    root = mounted(images, tmp_path, "c0")
    (root / "second").write_text("layer" * 1000)
    (root / "etc/passwd").unlink()
    await images.commit("c0", base, config=base.config, ref="app:2")
    images.rootfs.unmount(str(root))
    await images.discard("c0")


async def test_saved_images_load_elsewhere_as_the_same(images: Images, tmp_path: Path) -> None:
    await two_layers(images, tmp_path)
    await images.tag("app:2", "reg.example.com/x/y:z")
    data = await saved(images, "app", "reg.example.com/x/y:z")
    assert data == await saved(images, "app", "reg.example.com/x/y:z")
    async with store(tmp_path / "other") as other:
        events = await load(other, data)
        assert {(e.id, e.name) for e in events} == {(i.id, tag) for i in images.list() for tag in i.tags}
        for mine in images.list():
            theirs = other.get(mine.id)
            mine.parent, mine.tagged_at, theirs.tagged_at = "", 0, 0
            assert theirs == mine
        assert await saved(other, "app", "reg.example.com/x/y:z") == data


async def test_save_by_id_has_no_name(images: Images) -> None:
    image = await an_image(images)
    data = await saved(images, image.id)
    await images.remove(image.id, used_by=nobody)
    assert await load(images, data) == [Loaded(image.id)]
    assert images.get(image.id).tags == []


async def test_save_of_what_is_not_there(images: Images) -> None:
    await an_image(images)
    with pytest.raises(NotFound, match=r"No such image: nope$"):
        images.save(["app:1", "nope"])
    with pytest.raises(NotFound, match="No such image: app:2: reference does not exist"):
        images.save(["app:1", "app:2"])


async def test_save_notices_a_damaged_layer(images: Images, tmp_path: Path) -> None:
    image = await an_image(images)
    victim = Path(images.image_graph(image.id)["UpperDir"]) / "bin/sh"
    victim.write_bytes(b"y" * 5002)
    with pytest.raises(HostError, match="damaged on disk"):
        await saved(images, "app:1")
    victim.write_bytes(b"short")
    with pytest.raises(HostError, match="shorter than it was"):
        await saved(images, "app:1")


async def test_an_image_that_is_removed_while_it_is_saved(images: Images, tmp_path: Path) -> None:
    await an_image(images, "app:1", member("large", data=os.urandom(8_000_000)))
    chunks = images.save(["app:1"])
    data = await anext(chunks)
    await images.remove("app:1", used_by=nobody)
    data += b"".join([chunk async for chunk in chunks])
    assert leftovers(tmp_path) == []
    assert len(await load(images, data)) == 1


async def test_a_reader_that_goes_away(images: Images, tmp_path: Path) -> None:
    await an_image(images, "app:1", member("large", data=os.urandom(8_000_000)))
    chunks = images.save(["app:1"])
    await anext(chunks)
    await chunks.aclose()
    await images.remove("app:1", used_by=nobody)
    assert leftovers(tmp_path) == []


async def test_progress_and_moved_names(images: Images) -> None:
    one = await an_image(images, "app:1", member("large", data=os.urandom(3_000_000)))
    data = await saved(images, "app:1")
    await images.remove("app:1", used_by=nobody)
    two = await an_image(images, "app:1")
    events = [event async for event in images.load_events(stream(data))]
    progress = [event for event in events if isinstance(event, LayerProgress)]
    assert {p.layer for p in progress} == {one.diff_ids[0][7:19]}
    assert [p.current for p in progress] == sorted(p.current for p in progress)
    assert (progress[-1].current, len(progress) > 3) == (progress[-1].total, True)
    assert events[-1] == Loaded(one.id, "docker.io/library/app:1", two.id)
    again = [event async for event in images.load_events(stream(data))]
    assert again == [Loaded(one.id, "docker.io/library/app:1")]  # nothing to unpack, nothing replaced


async def test_export(images: Images, tmp_path: Path) -> None:
    image = await an_image(images)
    images.prepare("c1", image.id)
    root = mounted(images, tmp_path, "c1")
    (root / "new").write_text("1")
    data = b"".join([chunk async for chunk in images.rootfs.export("c1", str(root))])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = archive.getnames()
    assert {"bin", "bin/sh", "new", "etc/passwd"} <= set(found)
    assert "etc/passwd" in found and found == sorted(found, key=lambda n: n.split("/"))
    again = await images.import_rootfs(stream(data), ref="flat:1")
    assert again.size == image.size + 1


# Archives by others, and hostile ones.


def archive(config: dict[str, object] | bytes, *layers: bytes, **files: bytes) -> bytes:
    """A `docker save` of old: layers in folders, the manifest last."""
    data = config if isinstance(config, bytes) else json.dumps(config).encode()
    names = [f"{n}/layer.tar" for n in range(len(layers))]
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["old:1"], "Layers": names}]).encode()
    return tar(
        member("c.json", data=data),
        *(m for n, layer in enumerate(layers) for m in (member(f"{n}", "dir"), member(f"{n}/layer.tar", data=layer))),
        *(member(name.replace("__", "."), data=content) for name, content in files.items()),
        member("manifest.json", data=files.get("manifest", manifest)),
    )


def config_of(*diffs: str, **more: object) -> dict[str, object]:
    return {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": list(diffs)}, **more}


LAYER = tar(member("f", data=b"1"))
DIFF = digests.of(LAYER)


async def test_old_archives_with_links_and_compressed_layers(images: Images) -> None:
    first, second = LAYER, tar(member("g", data=b"2"))
    config = config_of(DIFF, digests.of(second), DIFF)
    manifest = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar", "l"]}])
    data = tar(
        member("a/layer.tar", data=gzip.compress(first)),
        member("b/layer.tar", data=second),
        member("l", "symlink", linkname="x/../a/layer.tar"),
        member("c.json", data=json.dumps(config).encode()),
        member("manifest.json", data=manifest.encode()),
    )
    (event,) = await load(images, gzip.compress(data))
    assert images.get(event.id).diff_ids == config["rootfs"]["diff_ids"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"rubbish" * 200, "invalid tar header"),
        (tar(member("x")), "invalid archive: does not contain a manifest.json"),
        (archive(config_of(DIFF), LAYER)[:1000], "unexpected EOF"),
        (archive(config_of(DIFF), LAYER, manifest=b"null"), "manifest cannot be null"),
        (archive(config_of(DIFF), LAYER, manifest=b"{{"), "failed to decode manifest.json"),
        (archive(config_of(DIFF, DIFF), LAYER), "invalid manifest, layers length mismatch: expected 1, got 2"),
        (archive(config_of("sha256:" + "0" * 64), LAYER),
         f'invalid diffID for layer 0: expected "sha256:{"0" * 64}", got "{DIFF}"'),
        (archive(config_of(DIFF), LAYER[:1024]), f'invalid diffID for layer 0: expected "{DIFF}"'),
        (archive(config_of(DIFF), LAYER[:512]), "unexpected EOF"),
        (archive(config_of(DIFF), gzip.compress(LAYER)[:-9]), "damaged gzip stream"),
        (archive(config_of(DIFF, os="windows"), LAYER), "cannot load windows image on linux"),
        (archive({"os": "linux"}, LAYER), "invalid image JSON, no RootFS key"),
        (archive(b"[]", LAYER), "invalid image configuration"),
        (archive(config_of(DIFF), LAYER, manifest=b'[{"Config":"../../../etc/shadow","Layers":["0/layer.tar"]}]'),
         "'../../../etc/shadow'"),
        (archive(config_of(DIFF), LAYER, manifest=b'[{"Config":"/etc/shadow","Layers":["0/layer.tar"]}]'),
         "does not contain a /etc/shadow"),
        (archive(config_of(DIFF), LAYER, manifest=b'[{"Config":"c.json","Layers":["missing"]}]'),
         "does not contain a missing"),
        (archive(config_of(DIFF), LAYER, manifest=b'[{"Config":"c.json","RepoTags":["Bad:1"]}]'), "must be lowercase"),
        (tar(member("../x", data=b"1")), "'../x'"),
        (tar(member("c.json", "symlink", linkname="/etc/shadow"),
             member("manifest.json", data=b'[{"Config":"c.json","Layers":[]}]')), "does not contain a c.json"),
        (tar(member("c.json", "symlink", linkname="c.json"),
             member("manifest.json", data=b'[{"Config":"c.json","Layers":[]}]')), "does not contain a c.json"),
        (tar(member("disk", "block", devmajor=8, devminor=0)), "'disk' is a block, not a plain file"),
        (tar(member("blobs/sha256/" + "1" * 64, data=b"{}"),
             member("manifest.json", data=b'[{"Config":"blobs/sha256/' + b"1" * 64 + b'","Layers":[]}]')),
         "has the digest"),
    ],
)  # fmt: skip
async def test_bad_archives(images: Images, tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(CorralError) as raised:
        await load(images, data)
    assert words in raised.value.message
    assert isinstance(raised.value, InvalidInput | NotFound)
    assert leftovers(tmp_path) == [] == images.list()


async def test_a_compressed_layer_that_is_not_what_its_name_says(images: Images, tmp_path: Path) -> None:
    packed = gzip.compress(LAYER)
    wrong = "blobs/sha256/" + "2" * 64
    manifest = json.dumps([{"Config": "c.json", "Layers": [wrong]}]).encode()
    config = json.dumps(config_of(DIFF)).encode()
    data = tar(member(wrong, data=packed), member("c.json", data=config), member("manifest.json", data=manifest))
    with pytest.raises(InvalidInput, match=f"{wrong} has the digest {digests.of(packed)}"):
        await load(images, data)
    assert leftovers(tmp_path) == []


async def test_images_before_the_bad_one_stay(images: Images, tmp_path: Path) -> None:
    good, bad = config_of(DIFF), config_of("sha256:" + "0" * 64)
    manifest = json.dumps([{"Config": c, "RepoTags": [f"{c[0]}:1"], "Layers": ["l"]} for c in ("g.json", "b.json")])
    data = tar(
        member("l", data=LAYER),
        member("g.json", data=json.dumps(good).encode()),
        member("b.json", data=json.dumps(bad).encode()),
        member("manifest.json", data=manifest.encode()),
    )
    with pytest.raises(InvalidInput, match="invalid diffID"):
        await load(images, data)
    assert [image.tags for image in images.list()] == [["docker.io/library/g:1"]]
    assert len(leftovers(tmp_path)) == 1


async def test_the_platform_of_an_archive(images: Images) -> None:
    data = archive(config_of(DIFF), LAYER)
    assert await load(images, data, "linux/arm64") == []
    assert len(await load(images, data, "linux/amd64")) == 1


async def test_many_at_once(images: Images, tmp_path: Path) -> None:
    """Loading, committing, tagging and removing together leave a store that is whole."""
    base = await an_image(images, "base:1")
    archives = []
    for n in range(4):
        await an_image(images, f"load:{n}", member(f"f{n}", data=os.urandom(100_000)))
        archives.append(await saved(images, f"load:{n}"))
        await images.remove(f"load:{n}", used_by=nobody)
    for n in range(4):
        images.prepare(f"c{n}", base.id)

    async def churn(n: int) -> None:
        for _ in range(3):
            await load(images, archives[n])
            await images.tag(f"load:{n}", f"alias:{n}")
            await images.commit(f"c{n}", base, config=ImageConfig(user=str(n)), ref=f"commit:{n}")
            await images.remove(f"load:{n}", used_by=nobody)
            await images.remove(f"alias:{n}", used_by=nobody)

    await asyncio.gather(*(churn(n) for n in range(4)), *(load(images, archives[0]) for _ in range(2)))
    for image in images.list():
        data = await saved(images, image.id)
        assert len(data) > 1000
    for n in range(4):
        await images.discard(f"c{n}")
    for image in images.list():
        if image.parent:
            await images.remove(image.id, force=True, used_by=nobody)
    for image in images.list():
        await images.remove(image.id, force=True, used_by=nobody)
    assert leftovers(tmp_path) == []
