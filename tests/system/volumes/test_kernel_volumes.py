"""Volumes that need root: filled from images with all that files have, mounted from elsewhere, on a full disk."""

from __future__ import annotations

import filecmp
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.errors import Conflict, HostError, InvalidInput, NoSpace, NotFound
from corral.linux import mounts
from corral.volumes import Volumes
from corral.volumes.attach import pin, unpin

pytestmark = pytest.mark.root

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service+ep, no effective uid


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Volumes]:
    yield Volumes(str(tmp_path / "volumes"))
    for point in mounts.mounts_under(str(tmp_path)):
        mounts.unmount(point)


def make_image(root: Path) -> None:
    """A directory with one of everything, at root/srv/data; /data is a link to it."""
    data = root / "srv" / "data"
    (data / "sub" / "empty").mkdir(parents=True)
    (data / "file").write_text("hello")
    os.link(data / "file", data / "sub" / "same")
    os.symlink("../../etc/shadow", data / "link")
    os.mkfifo(data / "fifo", 0o640)
    os.mknod(data / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(data)
        listener.bind("socket")
        os.chdir(here)
    with (data / "holes").open("wb") as file:
        file.seek(50 << 20)
        file.write(b"end")
        file.truncate(60 << 20)
    (data / "setuid").write_text("x")
    os.chown(data / "setuid", 1234, 567)
    (data / "setuid").chmod(0o4755)
    os.setxattr(data / "file", "user.note", b"kept")
    os.setxattr(data / "setuid", "security.capability", CAPABILITY)
    os.setxattr(data / "sub", "trusted.overlay.opaque", b"y")
    os.chown(data / "link", 77, 88, follow_symlinks=False)
    for name in ("sub/same", "link", "fifo", "sub/empty", "sub", "."):
        os.utime(data / name, ns=(10**18, 10**18 + 123456789), follow_symlinks=False)
    os.chown(data, 999, 998)
    data.chmod(0o1770)
    os.symlink("/srv/data", root / "data")


def look(path: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in sorted(str(p.relative_to(path)) for p in [path, *path.rglob("*")]):
        status = os.lstat(path / name)
        names = os.listxattr(path / name, follow_symlinks=False)
        found[name] = (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
            status.st_rdev,
            status.st_nlink if not stat.S_ISDIR(status.st_mode) else 0,
            {k: os.getxattr(path / name, k, follow_symlinks=False) for k in names if "overlay" not in k},
            os.readlink(path / name) if stat.S_ISLNK(status.st_mode) else "",
        )
    return found


@pytest.mark.parametrize("used", [False, True])
async def test_filling_keeps_everything(tmp_path: Path, volumes: Volumes, used: bool) -> None:
    image = tmp_path / "image"
    make_image(image)
    made = await volumes.create("data")
    if used:
        await volumes.acquire("data", "another")
    inode = os.stat(made.mountpoint).st_ino
    await volumes.copy_up("data", str(image), "/data")
    inside = Path(made.mountpoint)
    assert look(inside) == look(image / "srv" / "data")
    assert (inside / "file").read_text() == "hello"
    assert os.path.samefile(inside / "file", inside / "sub" / "same")
    assert filecmp.cmp(inside / "holes", image / "srv" / "data" / "holes", shallow=False)
    assert (inside / "holes").stat().st_blocks * 512 < 1 << 20
    assert "trusted.overlay.opaque" not in os.listxattr(inside / "sub")
    # Others that have it mounted must go on seeing it.
    assert (os.stat(made.mountpoint).st_ino == inode) == used
    assert os.listdir(f"{volumes.root}/data") in (["_data", "opts.json"], ["opts.json", "_data"])


async def test_only_an_empty_volume_is_filled_and_only_from_a_directory(tmp_path: Path, volumes: Volumes) -> None:
    image = tmp_path / "image"
    make_image(image)
    made = await volumes.create("data")
    await volumes.copy_up("data", str(image), "/missing")
    with pytest.raises(InvalidInput, match="cannot mount volume over existing file, file exists /srv/data/file"):
        await volumes.copy_up("data", str(image), "/srv/data/file")
    os.symlink("/nowhere/../../../etc", image / "escape")
    await volumes.copy_up("data", str(image), "/escape")
    assert await volumes.is_empty("data")
    (Path(made.mountpoint) / "mine").write_text("x")
    assert not await volumes.is_empty("data")
    await volumes.copy_up("data", str(image), "/data")
    assert os.listdir(made.mountpoint) == ["mine"]


async def test_a_volume_with_options_is_mounted_while_it_is_used(tmp_path: Path, volumes: Volumes) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("x")
    options = {"type": "none", "o": "bind,ro", "device": str(source)}
    made = await volumes.create("elsewhere", options=options)
    assert await volumes.size("elsewhere") == -1
    await volumes.acquire("elsewhere", "c1")
    await volumes.acquire("elsewhere", "c2")
    assert os.listdir(made.mountpoint) == ["file"]
    with pytest.raises(OSError, match="Read-only"):
        (Path(made.mountpoint) / "new").write_text("x")
    await volumes.release("elsewhere", "c1")
    assert mounts.is_mount(made.mountpoint)
    with pytest.raises(Conflict):
        await volumes.remove("elsewhere")
    again = Volumes(volumes.root)  # the daemon was started again: c2 runs
    again.restore("elsewhere", "c2")
    await again.acquire("elsewhere", "c3")
    await again.release("elsewhere", "c3")
    assert mounts.is_mount(made.mountpoint)
    await again.release("elsewhere", "c2")
    assert not mounts.is_mount(made.mountpoint)
    await again.remove("elsewhere")
    assert (source / "file").exists()


async def test_removing_a_volume_that_is_still_mounted_removes_nothing_behind_it(
    tmp_path: Path, volumes: Volumes
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("x")
    await volumes.create("elsewhere", options={"type": "none", "o": "bind", "device": str(source)})
    await volumes.acquire("elsewhere", "killed")
    await Volumes(volumes.root).remove("elsewhere")  # nobody told the new daemon of that user
    assert (source / "file").exists()
    assert os.listdir(volumes.root) == []


async def test_tmpfs_volumes_are_filled_too(tmp_path: Path, volumes: Volumes) -> None:
    image = tmp_path / "image"
    (image / "data").mkdir(parents=True)
    (image / "data" / "file").write_text("x")
    made = await volumes.create("ram", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=700"})
    assert await volumes.is_empty("ram")
    await volumes.acquire("ram", "c1")
    await volumes.copy_up("ram", str(image), "/data")
    assert os.listdir(made.mountpoint) == ["file"]
    await volumes.release("ram", "c1")
    assert os.listdir(made.mountpoint) == []


async def test_a_mount_that_fails_is_a_clear_error_and_leaves_nothing(volumes: Volumes) -> None:
    options = {"type": "none", "o": "bind,password=hush", "device": "/does/not/exist"}
    made = await volumes.create("bad", options=options)
    with pytest.raises(HostError) as caught:
        await volumes.acquire("bad", "c1")
    assert caught.value.message.startswith(
        f"error while mounting volume '{made.mountpoint}': failed to mount local volume: mount /does/not/exist:"
    )
    assert "no such file or directory" in caught.value.message
    assert "hush" not in caught.value.message
    assert not mounts.is_mount(made.mountpoint)
    await volumes.remove("bad")


async def test_a_part_of_a_volume_never_leads_out(tmp_path: Path, volumes: Volumes) -> None:
    inside, place = Path((await volumes.create("data")).mountpoint), str(tmp_path / "pinned")
    (inside / "sub").mkdir()
    (inside / "sub" / "file").write_text("x")
    (inside / "out").symlink_to("/etc")
    (inside / "in").symlink_to("sub/../sub")
    (inside / "top").symlink_to("/")
    (inside / "up").symlink_to("sub/../../data")
    for subpath in ("sub", "in", "sub/file"):
        pin(str(inside), subpath, place)
        (inside / "sub").rename(inside / "elsewhere")  # what is pinned stays what it was
        assert Path(place, "" if subpath == "sub/file" else "file").read_text() == "x"
        (inside / "elsewhere").rename(inside / "sub")
        unpin(place)
        assert not os.path.lexists(place)
    for bad in ("/sub", "../x", "a/../../x"):
        with pytest.raises(InvalidInput):
            pin(str(inside), bad, place)
    for out in ("out", "top", "top/sub", "up"):
        with pytest.raises(InvalidInput, match=f"escapes the base directory, base: {inside}, subpath: {out}"):
            pin(str(inside), out, place)
    with pytest.raises(NotFound, match="cannot access path"):
        pin(str(inside), "missing", place)
    assert (inside / "sub" / "file").read_text() == "x"


async def test_an_empty_part_of_a_volume_is_filled(tmp_path: Path, volumes: Volumes) -> None:
    inside, image = Path((await volumes.create("data")).mountpoint), tmp_path / "image"
    (image / "data").mkdir(parents=True)
    (image / "data" / "file").write_text("image's")
    for name in ("empty", "full"):
        (inside / name).mkdir()
    (inside / "full" / "own").write_text("volume's")
    for part in ("empty", "full", "full/own", "missing"):
        await volumes.copy_up("data", str(image), "/data", part)
    await volumes.copy_up("data", str(image), "/data/file", "empty")
    assert sorted(str(path.relative_to(inside)) for path in inside.rglob("*")) == [
        "empty", "empty/file", "full", "full/own",
    ]  # fmt: skip


async def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounts.mount("tmpfs", str(disk), "tmpfs", 0, "size=64k,nr_inodes=12")
    try:
        volumes = Volumes(str(disk / "volumes"))
        await volumes.create("data")
        image = tmp_path / "image"
        (image / "data").mkdir(parents=True)
        (image / "data" / "large").write_bytes(bytes(range(256)) * 4000)
        with pytest.raises(NoSpace):
            await volumes.copy_up("data", str(image), "/data")
        assert await volumes.is_empty("data")
        assert sorted(os.listdir(disk / "volumes" / "data")) == ["_data", "opts.json"]
        with pytest.raises(NoSpace, match="no space left on device"):
            for n in range(10):
                await volumes.create(f"more{n}")
        assert [name for name in os.listdir(volumes.root) if name.startswith(".")] == []
        assert {v.name for v in volumes.list()} == set(os.listdir(volumes.root))
    finally:
        mounts.unmount(str(disk))
