"""Archives that others made: old ones, compressed ones, and hostile ones."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from pathlib import Path

import pytest

from corral.errors import CorralError, InvalidInput, NotFound
from corral.images import Images, digests
from corral.model.image import ImageConfig
from tests.support.imagestore import an_image, leftovers, load, nobody, saved
from tests.support.tars import member, tar

pytestmark = pytest.mark.root


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
