"""Images out of the library: saved, exported, and loaded elsewhere as the same."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from corral.errors import HostError, NotFound
from corral.images import Images, LayerProgress, Loaded
from tests.support.imagestore import an_image, leftovers, load, nobody, saved, store
from tests.support.tars import member, stream
from tests.system.images.test_rootfs import mounted

pytestmark = pytest.mark.root


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
