"""Archives to and from other tools: GNU tar and skopeo."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.images import Images
from corral.model.image import ImageConfig
from tests.support.imagestore import TREE, an_image, load, nobody, saved, store
from tests.support.tars import listing, member, stream, tar
from tests.support.tools import needs

pytestmark = pytest.mark.root
skopeo = needs("skopeo")


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with store(tmp_path / "store") as made:
        yield made


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def an_archive(images: Images, path: Path) -> str:
    """An image of two layers, saved; its id."""
    base = await an_image(images, "app:1", command=["sh"], env=["A=b"], labels={"k": "v"}, exposed_ports=["80/tcp"])
    images.prepare("c0", base.id)
    Path(images.rootfs.graph("c0")["UpperDir"], "second").write_text("layer" * 1000)
    image = await images.commit("c0", base, config=base.config, ref="app:2")
    await images.discard("c0")
    path.write_bytes(await saved(images, "app:2"))
    return image.id


@skopeo
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
async def test_skopeo_reads_what_we_save(images: Images, tmp_path: Path, kind: str) -> None:
    image_id = await an_archive(images, tmp_path / "saved.tar")
    config = run("skopeo", "inspect", "--config", "--raw", f"{kind}:{tmp_path}/saved.tar")
    assert json.loads(config) == json.loads(images.config_bytes(image_id))
    about = json.loads(run("skopeo", "inspect", f"{kind}:{tmp_path}/saved.tar"))
    assert (about["Labels"], about["Env"], len(about["Layers"])) == ({"k": "v"}, ["A=b"], 2)
    if kind == "docker-archive":
        assert json.loads(run("skopeo", "list-tags", f"{kind}:{tmp_path}/saved.tar"))["Tags"] == ["app:2"]


@skopeo
@pytest.mark.parametrize("source", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("form", ["docker-archive:{}:app:3", "oci-archive:{}:app:3"])
async def test_we_load_what_skopeo_makes(images: Images, tmp_path: Path, source: str, form: str) -> None:
    image_id = await an_archive(images, tmp_path / "saved.tar")
    run("skopeo", "copy", f"{source}:{tmp_path}/saved.tar", form.format(tmp_path / "copied.tar"))
    async with store(tmp_path / "other") as other:
        (event,) = await load(other, (tmp_path / "copied.tar").read_bytes())
        assert event.name == "docker.io/library/app:3"
        loaded = other.get(event.id)
        mine = images.get(image_id)
        assert loaded.diff_ids == mine.diff_ids  # the layers are the same, whatever compression they travelled in
        assert (loaded.config, loaded.history, loaded.layer_sizes) == (mine.config, mine.history, mine.layer_sizes)


@skopeo
async def test_gnu_tar_and_we_unpack_the_same(images: Images, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "d/e").mkdir(parents=True)
    (tree / "d/f").write_bytes(b"x" * 100_000)
    (tree / ("long" * 50)).write_text("1")
    with (tree / "holes").open("wb") as file:
        file.truncate(50_000_000)
        file.seek(20_000_000)
        file.write(b"data")
    (tree / "link").symlink_to("d/f")
    (tree / "hard").hardlink_to(tree / "d/f")
    for flags in (
        ["--format=gnu"],
        ["--format=gnu", "-S"],
        ["--format=pax", "-S"],
        ["--format=ustar", "--exclude=long*"],
    ):
        (tmp_path / "t.tar").unlink(missing_ok=True)
        run("tar", *flags, "-cf", str(tmp_path / "t.tar"), "-C", str(tree), ".")
        image = await images.import_rootfs(stream((tmp_path / "t.tar").read_bytes()))
        found = listing(images.image_graph(image.id)["UpperDir"])
        wanted = {k: v for k, v in listing(tree).items() if "ustar" not in flags[0] or not k.startswith("long")}
        assert found == wanted
        await saved(images, image.id)  # the archive comes back bit for bit, or this fails
        await images.remove(image.id, used_by=nobody)


async def test_real_images_load_and_run_with_their_config(images: Images) -> None:
    data = tar(*TREE, member("etc/motd", data=b"hello"))
    image = await images.import_rootfs(stream(data), ref="a:1", config=ImageConfig(entrypoint=[], workdir="/w"))
    assert (image.config.entrypoint, image.config.workdir) == ([], "/w")
