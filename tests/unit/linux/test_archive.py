"""Unpacking and packing: what is written, and what no archive can do."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from corral.errors import InvalidInput
from corral.linux.archive import BadTar, PackOptions, UnpackOptions, extract, pack, remove_tree
from tests.support.tars import ME, chunked, listing, member, tar

Members = list[tuple[str, str, dict[str, object]]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A place to unpack to, beside something that must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def unpack(root: Path, *members: object, **options: object) -> None:
    extract(chunked(tar(*members)), str(root), UnpackOptions(**options))  # type: ignore[arg-type]


def packed(root: Path, path: str = "", name: str = "", options: PackOptions | None = None) -> bytes:
    out: list[bytes] = []
    pack(out.append, str(root), path, name, options)
    return b"".join(out)


def test_a_whole_tree(root: Path) -> None:
    unpack(
        root,
        member("./", "dir", mode=0o750),
        member("a/", "dir", mode=0o2751, mtime=1000),
        member("a/f", data=b"hello", mode=0o4711),
        member("a/l", "symlink", linkname="/etc/passwd"),
        member("a/h", "hardlink", linkname="a/f"),
        member("p", "fifo", mode=0o622),
    )
    assert (root / "a/f").read_bytes() == b"hello"
    assert stat.S_IMODE((root / "a/f").stat().st_mode) == 0o4711
    assert (root / "a/h").stat().st_ino == (root / "a/f").stat().st_ino
    assert os.readlink(root / "a/l") == "/etc/passwd"
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o2751
    assert (root / "a").stat().st_mtime == 1000
    assert stat.S_IMODE(root.stat().st_mode) == 0o750
    assert stat.S_ISFIFO((root / "p").stat().st_mode)
    assert stat.S_IMODE((root / "p").stat().st_mode) == 0o622


def test_directories_that_are_used_without_being_listed(root: Path) -> None:
    unpack(root, member("a/b/c", data=b"1"))
    assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o755


def test_a_directory_that_comes_after_its_content(root: Path) -> None:
    unpack(root, member("a/f", data=b"1"), member("a", "dir", mode=0o700, mtime=99))
    assert (stat.S_IMODE((root / "a").stat().st_mode), (root / "a").stat().st_mtime) == (0o700, 99)


def test_read_only_directories_fill_all_the_same(root: Path) -> None:
    unpack(root, member("ro", "dir", mode=0o555), member("ro/f", data=b"1"))
    assert (root / "ro/f").read_bytes() == b"1"
    (root / "ro").chmod(0o755)


def test_absolute_names_are_inside(root: Path) -> None:
    unpack(root, member("/etc/f", data=b"1"), member("//x", data=b"2"))
    assert sorted(listing(root)) == ["etc", "etc/f", "x"]


def test_links_on_the_way_stay_inside(root: Path, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    unpack(
        root,
        member("abs", "symlink", linkname=outside),
        member("up", "symlink", linkname="../../../../../.." + outside),
        member(outside.lstrip("/"), "dir"),
        member("abs/secret", data=b"mine"),
        member("up/second", data=b"mine"),
    )
    assert (tmp_path / "outside/secret").read_text() == "secret"
    assert os.listdir(tmp_path / "outside") == ["secret"]
    inside = root / outside.lstrip("/")
    assert (inside / "secret").read_bytes() == b"mine"
    assert (inside / "second").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "kind", "fields"),
    [
        ("../escape", "file", {}),
        ("a/../../escape", "file", {}),
        ("..", "dir", {}),
        ("ok/..", "file", {}),
        ("link", "hardlink", {"linkname": "../outside/secret"}),
        ("link", "hardlink", {"linkname": "/../outside/secret"}),
        ("link", "hardlink", {"linkname": "missing"}),
        ("link", "hardlink", {"linkname": "."}),
        ("link", "hardlink", {"linkname": "dir"}),
        ("n" * 256, "file", {}),
        ("file/below", "file", {}),
        ("loop/below", "file", {}),
        ("dangling/below", "file", {}),
    ],
)
def test_hostile_entries_are_refused_by_name(root: Path, tmp_path: Path, name: str, kind: str, fields: dict) -> None:  # type: ignore[type-arg]
    before = listing(tmp_path / "outside")
    with pytest.raises(InvalidInput) as raised:
        unpack(
            root,
            member("dir", "dir"),
            member("file"),
            member("loop", "symlink", linkname="loop"),
            member("dangling", "symlink", linkname="/nowhere"),
            member(name, kind, **fields),
        )
    assert name[:50] in raised.value.message
    assert listing(tmp_path / "outside") == before


def test_a_symbolic_link_to_nothing_is_the_archives_fault(root: Path) -> None:
    with pytest.raises(InvalidInput, match="'l': a symbolic link without a target"):
        unpack(root, member("l", "symlink", linkname=""))


def test_a_hard_link_through_a_link_stays_inside(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="'h'"):
        unpack(
            root,
            member("out", "symlink", linkname=str(tmp_path / "outside")),
            member("h", "hardlink", linkname="out/secret"),
        )


def test_a_hard_link_to_a_symbolic_link_links_the_link(root: Path, tmp_path: Path) -> None:
    unpack(
        root, member("s", "symlink", linkname=str(tmp_path / "outside/secret")), member("h", "hardlink", linkname="s")
    )
    assert (root / "h").is_symlink()


def test_writing_through_a_link_replaces_the_link(root: Path, tmp_path: Path) -> None:
    unpack(root, member("x", "symlink", linkname=str(tmp_path / "outside/secret")), member("x", data=b"mine"))
    assert (tmp_path / "outside/secret").read_text() == "secret"
    assert (root / "x").read_bytes() == b"mine"


def test_a_hard_linked_file_is_not_written_through(root: Path) -> None:
    unpack(root, member("a", data=b"1"), member("b", "hardlink", linkname="a"), member("b", data=b"2"))
    assert ((root / "a").read_bytes(), (root / "b").read_bytes()) == (b"1", b"2")


def test_a_hard_link_to_itself_changes_nothing(root: Path) -> None:
    unpack(root, member("a", data=b"1"), member("a", "hardlink", linkname="./a"))
    assert (root / "a").read_bytes() == b"1"


def test_things_replace_each_other(root: Path) -> None:
    unpack(root, member("x", "dir"), member("x/y/z", data=b"1"), member("x", data=b"2"), member("x", "dir"))
    assert listing(root).keys() == {"x"}


def test_kinds_may_be_kept(root: Path) -> None:
    (root / "d").mkdir()
    (root / "f").write_text("")
    with pytest.raises(InvalidInput, match='cannot overwrite directory "d" with non-directory "/dst"'):
        unpack(root, member("d"), keep_kinds=True, destination="/dst")
    with pytest.raises(InvalidInput, match='cannot overwrite non-directory "f" with directory "/dst"'):
        unpack(root, member("f", "dir"), keep_kinds=True, destination="/dst")
    unpack(root, member("f", data=b"new"), member("d", "dir"), keep_kinds=True)
    assert (root / "f").read_text() == "new"


def test_the_root_may_be_left_alone(root: Path) -> None:
    root.chmod(0o711)
    unpack(root, member("./", "dir", mode=0o700), member("./f"), root_entry=False)
    assert stat.S_IMODE(root.stat().st_mode) == 0o711


def test_attributes(root: Path) -> None:
    info, data = member("f", data=b"1")
    info.pax_headers = {"SCHILY.xattr.user.test": "value", "SCHILY.xattr.user.overlay.opaque": "y"}
    unpack(root, (info, data))
    assert os.listxattr(root / "f") in (["user.test"], [])  # not every file system keeps them
    assert packed(root, "f", "f") == packed(root, "f", "f")


def test_sparse_files_stay_sparse(root: Path) -> None:
    info, data = member("GNUSparseFile.0/holes", data=b"abcde")
    info.pax_headers = {"GNU.sparse.map": "4096,3,8000000,2", "GNU.sparse.size": "9000000", "GNU.sparse.name": "holes"}
    unpack(root, (info, data))
    content = (root / "holes").read_bytes()
    assert (len(content), content[4096:4099], content[8_000_000:8_000_002]) == (9_000_000, b"abc", b"de")
    assert content.count(0) == 9_000_000 - 5
    assert (root / "holes").stat().st_blocks * 512 < 1_000_000


def test_numbers_that_no_kernel_takes(root: Path) -> None:
    with pytest.raises(InvalidInput, match="'f'"):
        unpack(root, member("f", uid=1 << 70))
    with pytest.raises(InvalidInput, match="'f'"):
        unpack(root, member("f", mtime=1 << 80))


def test_nul_in_names(root: Path) -> None:
    for fields in ({"path": "a\0b"}, {"linkpath": "a\0b"}):
        info, _ = member("f", "symlink", linkname="x")
        info.pax_headers = fields
        with pytest.raises(InvalidInput):
            unpack(root, (info, b""))


def test_a_half_written_file_does_not_stay(root: Path) -> None:
    data = tar(member("whole", data=b"1"), member("half", data=b"2" * 5000))
    with pytest.raises(BadTar, match=r"unexpected EOF.*half"):
        extract([data[:3000]], str(root))
    assert listing(root).keys() == {"whole"}


# Packing.


def test_packing_gives_the_same_tree(root: Path, tmp_path: Path) -> None:
    (root / "d/e").mkdir(parents=True)
    (root / "d/f").write_bytes(b"x" * 3_000_000)
    os.link(root / "d/f", root / "d/z")
    (root / "d/e/l").symlink_to("../f")
    os.mkfifo(root / "d/p")
    os.utime(root / "d", (5, 5))
    (tmp_path / "copy").mkdir()
    data = packed(root)
    extract(chunked(data, 100_000), str(tmp_path / "copy"))
    assert listing(tmp_path / "copy") == listing(root)
    assert (tmp_path / "copy/d/z").stat().st_nlink == 2
    assert packed(tmp_path / "copy") == data


def test_packing_under_another_name(root: Path, tmp_path: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/f").write_text("1")
    (tmp_path / "copy").mkdir()
    extract([packed(root, "a/b", "other")], str(tmp_path / "copy"))
    assert listing(tmp_path / "copy").keys() == {"other", "other/f"}
    extract([packed(root, "/a/b/f", "single")], str(tmp_path / "copy"))
    assert (tmp_path / "copy/single").read_text() == "1"


def test_packing_does_not_follow_links(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path / "outside")
    assert b"secret" not in packed(root)
    with pytest.raises(FileNotFoundError):
        packed(root, "out/secret", "x")
    with pytest.raises(FileNotFoundError):
        packed(root, "missing", "x")


def test_sockets_are_left_out_and_paths_may_be(root: Path, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / "s"))
    (root / "keep").write_text("")
    (root / "drop").mkdir()
    (root / "drop/x").write_text("")
    (tmp_path / "copy").mkdir()
    extract([packed(root, options=PackOptions(skip=lambda path: path == "drop"))], str(tmp_path / "copy"))
    assert listing(tmp_path / "copy").keys() == {"keep"}


def test_an_owner_for_everything(root: Path, tmp_path: Path) -> None:
    (root / "f").write_text("")
    (tmp_path / "copy").mkdir()
    data = packed(root, "f", "f", PackOptions(owner=(7, 8)))
    assert b"0000007\x000000010\x00" in data
    extract([data], str(tmp_path / "copy"), UnpackOptions(owner=ME))
    assert (tmp_path / "copy/f").stat().st_uid == ME[0]


# Removing.


def test_removing_trees(root: Path, tmp_path: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/l").symlink_to(tmp_path / "outside")
    remove_tree(str(root))
    remove_tree(str(root))
    remove_tree(str(tmp_path / "no/such/place"))
    assert not root.exists()
    assert (tmp_path / "outside/secret").exists()


def test_removing_what_is_deeper_than_any_path(root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)
    remove_tree(str(root))
    assert not root.exists()


@pytest.mark.parametrize("end", [b"end", b""])
def test_runs_of_zeros_become_holes(root: Path, end: bytes) -> None:
    data = b"start" + bytes(8 << 20) + end
    archive = tar(member("file", data=data))
    extract([archive[at : at + 300_000] for at in range(0, len(archive), 300_000)], str(root), UnpackOptions())
    assert (root / "file").read_bytes() == data
    assert os.stat(root / "file").st_blocks * 512 < 1 << 20


@pytest.mark.parametrize(
    ("size", "pieces"),
    [
        (1 << 20, [(0, b"start")]),
        (1 << 20, [(1 << 19, b"middle")]),
        (1 << 20, [((1 << 20) - 3, b"end")]),
        (1 << 20, []),
    ],
)
@pytest.mark.parametrize("name", ["file", "a" * 120, "grün"])
def test_holes_stay_holes(tmp_path: Path, size: int, pieces: list[tuple[int, bytes]], name: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    with (source / name).open("wb") as file:
        file.truncate(size)
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
    out: list[bytes] = []
    pack(out.append, str(source), "", "./", PackOptions(sparse=True))
    assert sum(map(len, out)) < 40_000
    extract(out, str(target))
    assert (target / name).read_bytes() == (source / name).read_bytes()
    assert (target / name).stat().st_blocks <= (source / name).stat().st_blocks
    with tarfile.open(fileobj=io.BytesIO(b"".join(out))) as others:
        assert others.extractfile(f"./{name}").read() == (source / name).read_bytes()  # type: ignore[union-attr]
