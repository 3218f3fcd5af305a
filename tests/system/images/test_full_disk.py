"""A disk that is full: the error says so, nothing stays behind, and the store goes on."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from corral.errors import NoSpace
from corral.linux import mounts
from corral.model.image import ImageConfig
from tests.support.imagestore import an_image, leftovers, load, nobody, saved, store
from tests.support.tars import member, stream, tar
from tests.support.wait import eventually

pytestmark = pytest.mark.root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """16 MB of ext4."""
    image, target = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    target.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(target)], check=True)
    (target / "store").mkdir()
    yield target / "store"
    mounts.unmount_under(str(target))


async def test_import_load_and_commit_on_a_full_disk(disk: Path) -> None:
    async with store(disk) as images:
        large = tar(member("large", data=os.urandom(20 << 20)))
        with pytest.raises(NoSpace, match="unpack 'large': no space left on device"):
            await images.import_rootfs(stream(large), ref="large:1")
        assert leftovers(disk) == [] == images.list()

        base = await an_image(images, "app:1", member("f", data=os.urandom(8 << 20)))
        data = await saved(images, "app:1")
        await images.remove("app:1", used_by=nobody)
        with pytest.raises(NoSpace):  # the archive and the layer do not fit together
            await load(images, data)
        assert leftovers(disk) == [] == images.list()

        base = await an_image(images, "app:1", member("f", data=os.urandom(1 << 20)))
        images.prepare("c1", base.id)

        folder = os.open(disk, os.O_RDONLY | os.O_DIRECTORY)

        def room() -> int:
            # ext4 gives back the blocks of deleted files when its journal commits. This one alone: os.sync() waits for
            # all disks of the machine.
            assert ctypes.CDLL(None).syncfs(folder) == 0
            found = os.statvfs(disk)
            return found.f_bavail * found.f_frsize

        eventually(lambda: room() > 9 << 20, lambda: f"room again: {room()} bytes, {sorted(os.listdir(disk))}")
        os.close(folder)
        with open(f"{images.rootfs.graph('c1')['UpperDir']}/written", "wb") as file:
            file.write(os.urandom(8 << 20))
        with pytest.raises(NoSpace):
            await images.commit("c1", base, config=ImageConfig(), ref="app:2")
        assert [image.tags for image in images.list()] == [["docker.io/library/app:1"]]
        assert len(leftovers(disk)) == 2

        filler = disk.parent / "filler"
        with suppress(OSError):
            filler.write_bytes(bytes(20 << 20))
        with pytest.raises(NoSpace):
            for n in range(200):
                await images.tag("app:1", f"tag-{n}:" + "x" * 100)
        before = {tag for image in images.list() for tag in image.tags}
        filler.unlink()
        assert await images.tag("app:1", "fits:1")
    async with store(disk) as images:
        assert {tag for image in images.list() for tag in image.tags} == before | {"docker.io/library/fits:1"}
