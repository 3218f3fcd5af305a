"""Paths that never leave their root, by the kernel and by hand."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corral.linux.rooted import open_beneath, open_in_root, walk_in_root
from tests.support.leaks import descriptors

Open = Callable[[int, str, int], int]


def walk_beneath(root: int, path: str, flags: int) -> int:
    return walk_in_root(root, path, flags, beneath=True)


@pytest.fixture(params=[open_in_root, walk_in_root])
def open_it(request: pytest.FixtureRequest) -> Open:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    inside = tmp_path / "root"
    (inside / "etc/deep").mkdir(parents=True)
    (inside / "etc/passwd").write_text("inside")
    (tmp_path / "passwd").write_text("outside")
    for name, target in {
        "abs": "/etc/passwd", "up": "../passwd", "far": "../../../../../../../etc/passwd", "loop": "loop",
        "dir": "etc", "dots": "etc/deep/../passwd", "dangling": "nowhere", "magic": "/proc/self/root/etc/passwd",
        "etc/deep/top": "../../../etc",
    }.items():  # fmt: skip
        (inside / name).symlink_to(target)
    fd = os.open(inside, os.O_RDONLY)
    yield fd
    os.close(fd)


def read(open_it: Open, root: int, path: str, flags: int = os.O_RDONLY) -> str:
    with open(open_it(root, path, flags), encoding="ascii") as file:
        return file.read()


@pytest.mark.parametrize(
    "path", ["etc/passwd", "/etc/passwd", "//etc//./passwd", "abs", "far", "dir/passwd", "dots", "etc/deep/top/passwd",
             "../etc/passwd", "etc/../../../etc/passwd"],
)  # fmt: skip
def test_stays_inside(open_it: Open, root: int, path: str) -> None:
    assert read(open_it, root, path) == "inside"


@pytest.mark.parametrize(
    ("path", "code"),
    [("up", errno.ENOENT), ("loop", errno.ELOOP), ("dangling", errno.ENOENT), ("magic", errno.ENOENT),
     ("etc/passwd/x", errno.ENOTDIR), ("missing/x", errno.ENOENT), ("loop/x", errno.ELOOP)],
)  # fmt: skip
def test_refuses(open_it: Open, root: int, path: str, code: int) -> None:
    with pytest.raises(OSError) as raised:
        open_it(root, path, os.O_RDONLY)
    assert raised.value.errno == code


def test_the_last_link_need_not_be_followed(open_it: Open, root: int) -> None:
    with pytest.raises(OSError) as raised:
        open_it(root, "abs", os.O_RDONLY | os.O_NOFOLLOW)
    assert raised.value.errno == errno.ELOOP
    fd = open_it(root, "abs", os.O_PATH | os.O_NOFOLLOW)
    assert os.readlink("", dir_fd=fd) == "/etc/passwd"
    os.close(fd)


@pytest.mark.parametrize("path", ["", "/", ".", "..", "etc/.."])
def test_the_root_itself(open_it: Open, root: int, path: str) -> None:
    fd = open_it(root, path, os.O_RDONLY | os.O_DIRECTORY)
    assert os.fstat(fd).st_ino == os.fstat(root).st_ino
    os.close(fd)


def test_nothing_stays_open(open_it: Open, root: int) -> None:
    before = descriptors()
    os.close(open_it(root, "etc/deep/top/passwd", os.O_RDONLY))
    with pytest.raises(OSError):
        open_it(root, "etc/deep/loop/x", os.O_RDONLY)
    assert not descriptors() - before


def test_creating(open_it: Callable[[int, str, int, int], int], root: int) -> None:
    os.close(open_it(root, "dir/new", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    assert os.stat("etc/new", dir_fd=root).st_size == 0


@pytest.mark.parametrize("open_it", [open_beneath, walk_beneath])
def test_beneath_nothing_leads_out(open_it: Open, root: int) -> None:
    for path in ("etc/passwd", "/etc/passwd", "dir/passwd", "dots", "etc/../etc/passwd"):
        assert read(open_it, root, path) == "inside"
    for path in ("abs", "up", "far", "magic", "etc/deep/top", "../etc/passwd", "etc/../../root/etc/passwd"):
        with pytest.raises(OSError) as raised:
            open_it(root, path, os.O_RDONLY)
        assert raised.value.errno == errno.EXDEV, path
    with pytest.raises(FileNotFoundError):
        open_it(root, "dangling", os.O_RDONLY)
