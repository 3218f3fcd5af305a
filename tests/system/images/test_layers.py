"""Layers on the real kernel: whiteouts, opaque directories, devices, owners, and the union they make."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.images.changes import changes
from corral.images.layers import Layers
from corral.images.packing import pack_layer
from corral.images.union import find, names
from corral.linux import mounts
from corral.linux.archive import Limits
from corral.model.image import Change
from tests.support.tars import chunked, listing, member, tar

pytestmark = pytest.mark.root

Mount = Iterator["Stack"]


class Stack:
    """Layers on top of each other, and a container's own on them, mounted."""

    def __init__(self, base: Path) -> None:
        self.layers = Layers(f"{base}/layers")
        self.dirs: list[str] = []  # the top first
        self.base = base
        self.tars: list[bytes] = []
        self.mounted = 0

    def add(self, *members: object) -> None:
        data = tar(*members)  # type: ignore[arg-type]
        layer = self.layers.unpack(chunked(data), lambda: self.dirs, Limits())
        assert b"".join(self.layers.tar(layer)) == data
        self.dirs.insert(0, self.layers.dir_of(layer))
        self.tars.append(data)

    def mount(self) -> Path:
        self.mounted += 1
        upper, work, target = (self.base / f"{kind}{self.mounted}" for kind in ("upper", "work", "merged"))
        for path in (upper, work, target):
            path.mkdir()
        mounts.mount_overlay(str(target), self.dirs, str(upper), str(work), "index=off,redirect_dir=off,metacopy=off")
        return target

    @property
    def upper(self) -> str:
        return f"{self.base}/upper{self.mounted}"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    mounts.unmount_under(str(tmp_path))


def test_owners_devices_and_attributes(stack: Stack) -> None:
    info, data = member("bin/ping", data=b"1", uid=7, gid=8, mode=0o4755)
    info.pax_headers = {
        "SCHILY.xattr.security.capability": "\x01\0\0\x02\0 \0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
    }
    stack.add(
        member("./", "dir", mode=0o711, uid=3),
        member("dev", "dir"),
        member("dev/null", "char", devmajor=1, devminor=3, mode=0o666),
        member("dev/loop", "block", devmajor=7, devminor=0, uid=1),
        (info, data),
    )
    root = stack.mount()
    null, ping = os.stat(root / "dev/null"), os.stat(root / "bin/ping")
    assert (stat.S_ISCHR(null.st_mode), null.st_rdev, stat.S_IMODE(null.st_mode)) == (True, os.makedev(1, 3), 0o666)
    assert (ping.st_uid, ping.st_gid, stat.S_IMODE(ping.st_mode)) == (7, 8, 0o4755)
    assert os.listxattr(root / "bin/ping") == ["security.capability"]
    assert os.listxattr(f"{stack.dirs[0]}/bin/ping") == ["security.capability"]  # nothing hidden for overlayfs


def test_whiteouts(stack: Stack) -> None:
    stack.add(member("a/x", data=b"1"), member("a/y", data=b"1"), member("b/z", data=b"1"), member("c"))
    stack.add(member("a/.wh.x"), member(".wh.b"), member(".wh.c"), member(".wh.never"))
    assert sorted(listing(stack.mount())) == ["a", "a/y"]


def test_opaque_directories(stack: Stack) -> None:
    stack.add(member("d/old", data=b"1"), member("d/e/old", data=b"1"))
    stack.add(member("d", "dir"), member("d/new", data=b"2"), member("d/.wh..wh..opq"), member("d/e/new", data=b"2"))
    assert sorted(listing(stack.mount())) == ["d", "d/e", "d/e/new", "d/new"]


@pytest.mark.parametrize("order", [0, 1])
def test_whiteout_and_new_thing_of_the_same_name(stack: Stack, order: int) -> None:
    """The whiteout is about what lies below, the entry about this layer, in whichever order they come."""
    stack.add(member("d/old", data=b"1"), member("f", data=b"1"))
    marks = [member(".wh.d"), member(".wh.f")]
    things = [member("d", "dir"), member("d/new", data=b"2"), member("f", data=b"2")]
    stack.add(*(marks + things if order else things + marks))
    root = stack.mount()
    assert sorted(listing(root)) == ["d", "d/new", "f"]
    assert (root / "f").read_bytes() == b"2"


def test_an_opaque_root_hides_all_below(stack: Stack) -> None:
    stack.add(member("old", data=b"1"))
    data = tar(member(".wh..wh..opq"), member("new", data=b"1"))
    assert stack.layers.unpack([data], lambda: stack.dirs, Limits()).opaque


def test_bookkeeping_of_other_drivers_is_left_out(stack: Stack) -> None:
    stack.add(member(".wh..wh.plnk", "dir"), member(".wh..wh.plnk/1.2", data=b"1"), member(".wh..wh.aufs"), member("f"))
    assert sorted(listing(stack.mount())) == ["f"]


def test_directories_that_are_not_listed_look_as_below(stack: Stack) -> None:
    stack.add(member("a", "dir", mode=0o1777, uid=5, mtime=99), member("a/b", "dir", mode=0o700, gid=6))
    stack.add(member("a/b/c/new", data=b"1"))
    root = stack.mount()
    a, b, c = (os.stat(root / path) for path in ("a", "a/b", "a/b/c"))
    assert (stat.S_IMODE(a.st_mode), a.st_uid, a.st_mtime) == (0o1777, 5, 99)
    assert (stat.S_IMODE(b.st_mode), b.st_gid) == (0o700, 6)
    assert (stat.S_IMODE(c.st_mode), c.st_uid) == (0o755, 0)


def test_the_union_is_what_the_kernel_shows(stack: Stack) -> None:
    stack.add(member("a/x"), member("a/y"), member("b/z"), member("c", "symlink", linkname="a"), member("d/e/f"))
    stack.add(member("a/.wh.x"), member("b"), member("d/.wh..wh..opq"), member("d/g"), member(".wh.c"))
    stack.add(member("b", "dir"), member("b/new"), member("c/deep"), member("d/e", "dir"))
    shown = listing(stack.mount())
    for path in ["a", "a/x", "a/y", "b", "b/z", "b/new", "c", "c/deep", "d", "d/e", "d/e/f", "d/g", "no", "a/y/z"]:
        found = find(stack.dirs, path)
        assert (found is not None) == (path in shown), path
        if found is not None and found.is_dir:
            assert names(found.dirs) == {p.rpartition("/")[2] for p in shown if p.rpartition("/")[0] == path}


# Changes.


def kinds(stack: Stack) -> dict[str, str]:
    return {change.path: change.kind for change in changes(stack.upper, stack.dirs)}


def test_changes_as_docker_shows_them(stack: Stack) -> None:
    stack.add(
        member("etc/a", data=b"1"), member("etc/b", data=b"1"), member("usr/lib/x/y", data=b"1"), member("usr/lib/z"),
        member("same", data=b"1"), member("dir/1"), member("dir/2"),
    )  # fmt: skip
    root = stack.mount()
    assert kinds(stack) == {}
    (root / "etc/a").write_text("2")
    (root / "etc/b").unlink()
    (root / "new/deep").mkdir(parents=True)
    (root / "new/deep/f").write_text("1")
    (root / "usr/lib/z").chmod(0o600)
    (root / "same").open("r+").close()  # copied up, not changed
    for name in ("1", "2"):
        (root / "dir" / name).unlink()
    (root / "dir").rmdir()
    (root / "dir").mkdir()
    (root / "dir/2").write_text("again")
    assert kinds(stack) == {
        "/etc": "modified", "/etc/a": "modified", "/etc/b": "deleted", "/new": "added", "/new/deep": "added",
        "/new/deep/f": "added", "/usr": "modified", "/usr/lib": "modified", "/usr/lib/z": "modified",
        "/dir": "modified", "/dir/1": "deleted", "/dir/2": "modified",
    }  # fmt: skip
    assert changes(stack.upper, stack.dirs)[0] == Change("/dir", "modified")


def test_a_directory_that_became_a_file_and_the_other_way_round(stack: Stack) -> None:
    stack.add(member("d/x", data=b"1"), member("f", data=b"1"))
    root = stack.mount()
    (root / "d/x").unlink()
    (root / "d").rmdir()
    (root / "d").write_text("file")
    (root / "f").unlink()
    (root / "f").mkdir()
    (root / "f/y").write_text("1")
    assert kinds(stack) == {"/d": "modified", "/f": "modified", "/f/y": "added"}


# Commit.


def test_a_committed_layer_is_the_same_tree(stack: Stack) -> None:
    stack.add(
        member("etc/a", data=b"1"), member("etc/b", data=b"1"),
        member("lib/x/y", data=b"1"), member("lib/z", data=b"1"),
        member("link", "symlink", linkname="etc"), member("dir/old", data=b"1"), member("gone/deep/f", data=b"1"),
    )  # fmt: skip
    root = stack.mount()
    (root / "etc/a").write_text("changed")
    (root / "etc/b").unlink()
    os.link(root / "lib/z", root / "lib/z2")
    (root / "link").unlink()
    (root / "link").mkdir()
    for path in ("dir/old", "gone/deep/f"):
        (root / path).unlink()
    (root / "dir").rmdir()
    (root / "dir").mkdir(mode=0o1777)
    (root / "dir/new").write_text("1")
    (root / "gone/deep").rmdir()
    os.mkfifo(root / "pipe")
    os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.chown(root / "lib/x", 11, 12)
    os.setxattr(root / "lib/x/y", "user.note", b"hello")
    os.setxattr(root / "lib/x/y", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    (root / ("long" * 40)).write_text("1")
    os.chmod(root, 0o751)
    whole = [0]
    for path in listing(root):
        whole.append(os.lstat(root / path).st_mtime_ns)
        os.utime(root / path, ns=(0, whole[-1] // 10**9 * 10**9), follow_symlinks=False)
    before = listing(root)
    out: list[bytes] = []
    pack_layer(out.append, stack.upper, stack.dirs)
    assert len({b"".join(out)} | {_packed(stack)}) == 1  # always the same bytes
    layer = stack.layers.unpack(out, lambda: stack.dirs, Limits())
    stack.dirs.insert(0, stack.layers.dir_of(layer))
    again = stack.mount()
    os.chmod(stack.upper, os.stat(stack.dirs[0]).st_mode & 0o7777)
    assert listing(again) == before
    assert stat.S_IMODE(os.stat(again).st_mode) == 0o751
    assert os.stat(again / "lib/z").st_ino == os.stat(again / "lib/z2").st_ino


def _packed(stack: Stack) -> bytes:
    out: list[bytes] = []
    pack_layer(out.append, stack.upper, stack.dirs)
    return b"".join(out)


def test_nothing_written_is_the_empty_layer(stack: Stack) -> None:
    stack.add(member("a"))
    stack.mount()
    assert _packed(stack) == bytes(1024)


def test_a_hundred_and_twenty_layers(stack: Stack) -> None:
    for n in range(120):
        stack.add(member(f"f{n}"), member("top", data=b"%d" % n))
    root = stack.mount()
    assert (len(os.listdir(root)), (root / "top").read_text()) == (121, "119")
