from __future__ import annotations

import pytest

from corral.engine.archive import absolute, base, go_mode
from corral.engine.inside import Inside, covering, follow
from corral.errors import InvalidInput
from corral.model.container import MountPoint


def point(target: str, source: str = "/s") -> MountPoint:
    return MountPoint("bind", source, target)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("", "/"),
        ("/", "/"),
        ("..", "/"),
        ("/a/./b//c/", "/a/b/c"),
        ("/a/../../b", "/b"),
        ("/abs/x", "/target/x"),
        ("/rel", "/dir/file"),
        ("/dir/up/x", "/x"),
        ("/chain", "/dir/file"),
        ("/broken/x", "/gone/away/x"),
        ("/out", "/etc"),
    ],
)
def test_links_are_followed_inside(path: str, real: str) -> None:
    links = {
        "/abs": "/target", "/rel": "dir/file", "/dir/up": "../../..", "/chain": "rel", "/broken": "/gone/away",
        "/out": "../../../etc",
    }  # fmt: skip
    assert follow(path, links.get) == real


def test_a_loop_of_links_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="too many links in /a"):
        follow("/a", {"/a": "b", "/b": "/a"}.get)


def test_the_deepest_mount_covers_a_path() -> None:
    points = [point("/", "root"), point("/data/", "data"), point("/data/deep", "deep")]
    found = {p: covering(points, p) for p in ("/", "/data", "/data/x", "/data/deep", "/data/deeper", "/database")}
    assert {p: found[p].source for p in found if found[p]} == {  # type: ignore[union-attr]
        "/": "root", "/data": "data", "/data/x": "data", "/data/deep": "deep", "/data/deeper": "data",
        "/database": "root",
    }  # fmt: skip


def test_the_kernels_own_files_are_left_out_unless_the_user_mounted_them() -> None:
    inside = Inside("/r", [point("/proc/host"), point("/data")])
    assert [p for p in ("proc", "proc/1", "sys/fs", "dev/null", "process/x", "proc/host/1", "data/proc") if
            inside.is_kernels(p)] == ["proc/1", "sys/fs", "dev/null"]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "clean", "last"),
    [
        ("/etc", "/etc", "etc"),
        ("etc/", "/etc/", "etc"),
        ("/etc/.", "/etc/.", "."),
        ("/", "/", "/"),
        (".", "/.", "."),
        ("/a/..", "/", "/"),
        ("/a/../b/./", "/b/", "b"),
        ("../../x/.", "/x/.", "."),
    ],
)
def test_paths_keep_what_says_the_directory_itself(path: str, clean: str, last: str) -> None:
    assert absolute(path) == clean
    assert base(clean) == last


def test_gos_modes() -> None:
    assert go_mode(0o100644) == 0o644
    assert go_mode(0o120777) == (1 << 27) | 0o777
    assert go_mode(0o020620) == (1 << 26) | (1 << 21) | 0o620
    assert go_mode(0o060660) == (1 << 26) | 0o660
    assert go_mode(0o010600) == (1 << 25) | 0o600
    assert go_mode(0o140755) == (1 << 24) | 0o755
    assert go_mode(0o106755) == (1 << 23) | (1 << 22) | 0o755
