"""COPY and ADD on a real file system: who owns what, what replaces what, and that hostile sources show nothing."""

from __future__ import annotations

import gzip
import os
import socket
import stat
from pathlib import Path

import pytest

from corral.build.copying import Hashes, MissingSource, Source, carry_out, digest
from corral.build.ops import CopyOp, InlineFile
from corral.errors import HostError, InvalidInput
from tests.support.tars import member, tar

pytestmark = pytest.mark.root
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep


class Trees:
    """A source and a target; `copy` is COPY with the digest before it."""

    def __init__(self, path: Path) -> None:
        self.source, self.target = path / "source", path / "target"
        self.source.mkdir()
        self.target.mkdir()
        self.hashes = Hashes()

    def file(self, name: str, content: str | bytes = "x", mode: int = 0o644) -> Path:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def copy(self, op: CopyOp, *, owner: tuple[int, int] | None = (0, 0)) -> str:
        source = Source(str(self.source), owner)
        found = digest(op, source, self.hashes)
        carry_out(op, source, str(self.target))
        return found

    def digest(self, op: CopyOp) -> str:
        return digest(op, Source(str(self.source), (0, 0)), Hashes())

    def listing(self) -> list[str]:
        return sorted(str(p.relative_to(self.target)) for p in self.target.rglob("*"))


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


def status(path: Path) -> tuple[str, int, int]:
    there = path.lstat()
    return oct(stat.S_IMODE(there.st_mode)), there.st_uid, there.st_gid


# Where things go.


def test_places(trees: Trees) -> None:
    trees.file("f")
    trees.file("d/in/g")
    for source, target in (("f", "/name"), ("f", "/deep/dir/"), ("d", "/content"), ("d/*", "/many/")):
        trees.copy(CopyOp([source], target))
    trees.copy(CopyOp(["d"], "/content"))  # again: merged
    assert [p for p in trees.listing() if not (trees.target / p).is_dir()] == [
        "content/in/g", "deep/dir/f", "many/g", "name",
    ]  # fmt: skip
    assert status(trees.target / "deep") == ("0o755", 0, 0)


def test_what_cannot_replace_what(trees: Trees) -> None:
    trees.file("f")
    trees.file("d/x")
    (trees.target / "dir/x").mkdir(parents=True)
    (trees.target / "file").write_text("")
    (trees.target / "link").symlink_to("dir")
    (trees.target / "dir/over").symlink_to("elsewhere")
    with pytest.raises(InvalidInput, match="cannot replace to directory /dir/x with file"):
        trees.copy(CopyOp(["d"], "/dir"))
    with pytest.raises(InvalidInput, match="cannot copy to non-directory: /file"):
        trees.copy(CopyOp(["d"], "/file"))
    with pytest.raises(InvalidInput, match="mkdir /file: not a directory"):
        trees.copy(CopyOp(["f"], "/file/"))
    trees.file("t/over/y")
    with pytest.raises(InvalidInput, match="cannot copy to non-directory: /dir/over"):
        trees.copy(CopyOp(["t"], "/dir"))
    trees.copy(CopyOp(["f"], "/link"))  # the last link of a target is followed, to a directory too
    assert (trees.target / "dir/f").read_text() == "x"
    trees.copy(CopyOp(["f"], "/dir/over"))
    assert (trees.target / "dir/elsewhere").read_text() == "x"


def test_links_in_the_target_stay_inside_the_image(trees: Trees, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (trees.target / "abs").symlink_to(outside)
    (trees.target / "up").symlink_to("../../outside")
    trees.file("f")
    trees.copy(CopyOp(["f"], "/abs/"))
    trees.copy(CopyOp(["f"], "/up/"))
    assert list(outside.iterdir()) == []
    assert (trees.target / str(outside).lstrip("/") / "f").exists()
    assert (trees.target / "outside/f").exists()


def test_parents_and_excludes(trees: Trees) -> None:
    for name in ("a/b/c.txt", "a/b/d.o", "a/e.txt", "x.txt"):
        trees.file(name)
    os.chown(trees.source / "a", 7, 8)
    (trees.source / "a").chmod(0o711)
    trees.copy(CopyOp(["a/b/*.txt"], "/p/", parents=True), owner=None)
    trees.copy(CopyOp(["./a/./b"], "/q/", parents=True, exclude=["**/*.o"]))
    trees.copy(CopyOp(["*.txt", "a"], "/r/", exclude=["x*", "b"]))
    files = [p for p in trees.listing() if (trees.target / p).is_file()]
    assert files == ["p/a/b/c.txt", "q/b/c.txt", "r/e.txt"]
    assert status(trees.target / "p/a") == ("0o711", 7, 8)  # a parent looks as its source does
    with pytest.raises(MissingSource, match='"/a/none": not found'):
        trees.copy(CopyOp(["a/./none"], "/", parents=True))


def test_an_excluded_directory_comes_with_what_an_exception_takes_back(trees: Trees) -> None:
    trees.file("d/doc/keep")
    trees.file("d/doc/drop")
    trees.copy(CopyOp(["d"], "/", exclude=["doc", "!doc/keep"]))
    assert trees.listing() == ["doc", "doc/keep"]


def test_wildcards_that_match_nothing_copy_nothing(trees: Trees) -> None:
    trees.file("a")
    trees.copy(CopyOp(["*.none", "none/*"], "/x/"))
    assert trees.listing() == []
    with pytest.raises(MissingSource, match=r'calculate checksum of ref context: "/none": not found') as caught:
        trees.copy(CopyOp(["../none/"], "/x/"))
    assert caught.value.path == "/none"


# What files are like.


def test_all_that_belongs_to_a_file_is_kept(trees: Trees) -> None:
    program = trees.file("d/program", mode=0o4755)
    os.chown(program, 5, 6)
    program.chmod(0o4755)
    os.setxattr(program, "security.capability", CAPABILITY)
    os.link(program, trees.source / "d/again")
    os.mkfifo(trees.source / "d/fifo", 0o600)
    os.mknod(trees.source / "d/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (trees.source / "d/link").symlink_to("/etc/shadow")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(trees.source / "d/socket"))
    with open(trees.source / "d/sparse", "wb") as sparse:
        sparse.seek(8 << 20)
        sparse.write(b"end")
    for path in [*trees.source.rglob("*")]:
        os.utime(path, ns=(10**18, 10**18 + 7), follow_symlinks=False)
    trees.copy(CopyOp(["d"], "/kept"), owner=None)
    kept = trees.target / "kept"
    assert status(kept / "program") == ("0o4755", 5, 6)
    assert os.getxattr(kept / "program", "security.capability") == CAPABILITY
    assert (kept / "again").samefile(kept / "program")
    assert stat.S_ISFIFO((kept / "fifo").stat().st_mode)
    assert (kept / "null").stat().st_rdev == os.makedev(1, 3)
    assert os.readlink(kept / "link") == "/etc/shadow"
    assert (kept / "socket").is_file()
    assert (kept / "sparse").stat().st_blocks * 512 < 1 << 20
    assert (kept / "sparse").read_bytes()[-4:] == b"\0end"
    assert {p.lstat().st_mtime_ns for p in kept.rglob("*")} == {10**18 + 7}
    assert kept.stat().st_mtime_ns == 10**18 + 7


def test_owners_and_modes_that_are_asked_for(trees: Trees) -> None:
    trees.file("d/sub/f", mode=0o600)
    (trees.target / "etc").mkdir()
    (trees.target / "etc/passwd").write_text("app:x:1000:50::/:\n")
    trees.copy(CopyOp(["d"], "/a/b", chown="app", chmod="u=rwX,go=rX"))
    assert status(trees.target / "a") == ("0o755", 1000, 50)  # directories that are made belong to them too
    assert status(trees.target / "a/b/sub") == ("0o755", 1000, 50)
    assert status(trees.target / "a/b/sub/f") == ("0o644", 1000, 50)
    trees.copy(CopyOp(["d/sub/f"], "/c/f", chmod="750"))
    assert status(trees.target / "c") == ("0o750", 0, 0)
    trees.copy(CopyOp(["d"], "/m/n", chmod="4710", chown="7"))
    assert [status(trees.target / path) for path in ("m", "m/n")] == [("0o710", 7, 7)] * 2
    assert status(trees.target / "m/n/sub") == ("0o4710", 7, 7)
    with pytest.raises(InvalidInput, match="no such user: nobody"):
        trees.copy(CopyOp(["d"], "/x", chown="nobody"))
    with pytest.raises(InvalidInput, match="invalid user index: -1"):
        trees.copy(CopyOp(["d"], "/x", chown="app", link=True))


def test_the_mode_that_is_asked_for_is_not_for_archives(trees: Trees) -> None:
    """Nor for the directories that are made for what is in them; the owner is."""
    trees.file("a.tar", tar(member("in/f", mode=0o640, uid=5)))
    trees.copy(CopyOp(["a.tar"], "/a/b/", add=True, chmod="700", chown="7:8"))
    assert [status(trees.target / path) for path in ("a", "a/b")] == [("0o755", 7, 8)] * 2
    assert status(trees.target / "a/b/in/f") == ("0o640", 7, 8)


def test_an_existing_directory_keeps_its_mode(trees: Trees) -> None:
    trees.file("d/f")
    (trees.source / "d").chmod(0o700)
    (trees.target / "tmp").mkdir()
    (trees.target / "tmp").chmod(0o1777)
    trees.copy(CopyOp(["d"], "/tmp"))
    trees.copy(CopyOp(["d"], "/new"))
    assert status(trees.target / "tmp")[0] == "0o1777"
    assert status(trees.target / "new")[0] == "0o755"


def test_here_documents(trees: Trees) -> None:
    trees.copy(CopyOp([], "/dir/", files=[InlineFile("a", "1\n"), InlineFile("b", "")]))
    trees.copy(CopyOp([], "/run.sh", files=[InlineFile("EOF", "#!/bin/sh\n")], chmod="755", chown="3"))
    assert (trees.target / "dir/a").read_text() == "1\n"
    assert status(trees.target / "dir/b") == ("0o644", 0, 0)
    assert status(trees.target / "run.sh") == ("0o755", 3, 3)


# ADD.


@pytest.mark.parametrize("kind", ["tar", "gz", "bz2", "xz", "zst"])
def test_add_unpacks_archives(trees: Trees, kind: str) -> None:
    import bz2
    import lzma

    import zstandard

    plain = tar(member("d", "dir"), member("d/f", data=b"in", uid=7, gid=8))
    pack = {
        "tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress,
        "zst": lambda data: zstandard.ZstdCompressor().compress(data),
    }[kind]  # fmt: skip
    trees.file("archive", pack(plain))
    trees.copy(CopyOp(["archive"], "/x", add=True))
    trees.copy(CopyOp(["archive"], "/whole", add=True, unpack=False))
    trees.copy(CopyOp(["archive"], "/mine", add=True, chown="3:4"))
    assert (trees.target / "x/d/f").read_bytes() == b"in"
    assert status(trees.target / "x/d/f")[1:] == (7, 8)
    assert status(trees.target / "mine/d/f")[1:] == (3, 4)
    assert (trees.target / "whole").read_bytes() == pack(plain)


def test_add_copies_what_is_no_archive(trees: Trees) -> None:
    trees.file("text.gz", gzip.compress(b"only text"))
    trees.file("empty", b"")
    trees.file("cut.gz", gzip.compress(os.urandom(5000))[:1000])
    trees.copy(CopyOp(["text.gz", "empty", "cut.gz"], "/x/", add=True))
    assert trees.listing() == ["x", "x/cut.gz", "x/empty", "x/text.gz"]


def test_a_hostile_archive_stays_in_its_directory(trees: Trees, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    trees.file("a.tar", tar(member("l", "symlink", linkname=str(outside)), member("l/f", data=b"!")))
    trees.file("b.tar", tar(member("../../outside/g", data=b"!")))
    for name in ("a.tar", "b.tar"):
        with pytest.raises(InvalidInput, match=r"breaks out|file exists"):
            trees.copy(CopyOp([name], "/x/", add=True))
    assert list(outside.iterdir()) == []


# Hostile sources.


@pytest.mark.parametrize("target", ["/etc/shadow", "../../../../etc/shadow", "abs/etc/shadow"])
def test_links_never_lead_to_the_hosts_files(trees: Trees, target: str) -> None:
    (trees.source / "abs").symlink_to("/")
    (trees.source / "evil").symlink_to(target)
    (trees.source / "d").symlink_to("/etc")
    for source in ("evil", "d/shadow", "abs/../../etc/shadow", "evi*", "d/"):
        with pytest.raises(MissingSource):
            trees.copy(CopyOp([source], "/got"))
    trees.file("etc/shadow", "ours")
    trees.copy(CopyOp(["evil"], "/got"))
    assert (trees.target / "got").read_text() == "ours"


def test_links_that_go_round_end(trees: Trees) -> None:
    (trees.source / "a").symlink_to("b")
    (trees.source / "b").symlink_to("a")
    with pytest.raises(InvalidInput, match="too many links"):
        trees.copy(CopyOp(["a"], "/x"))


def test_a_whiteout_is_not_smuggled_into_a_layer(trees: Trees) -> None:
    os.mknod(trees.source / "passwd", stat.S_IFCHR | 0o600, os.makedev(0, 0))
    with pytest.raises(InvalidInput, match="a device 0:0"):
        trees.copy(CopyOp(["passwd"], "/etc/", link=True))


def test_names_that_are_no_text_and_deep_trees(trees: Trees) -> None:
    os.mkdir(os.fsencode(trees.source) + b"/d")
    with open(os.fsencode(trees.source) + b"/d/\xff\n", "w") as file:
        file.write("x")
    deep = trees.source / "/".join(["n"] * 900)
    deep.mkdir(parents=True)
    (deep / "f").write_text("x")
    trees.copy(CopyOp(["."], "/x"))
    assert os.listdir(os.fsencode(trees.target) + b"/x/d") == [b"\xff\n"]
    assert (trees.target / "x" / "/".join(["n"] * 900) / "f").exists()


def test_errors_name_the_op(trees: Trees) -> None:
    with pytest.raises(HostError, match="read context: no such file"):
        digest(CopyOp(["x"], "/"), Source(str(trees.source / "gone")))


# Digests.


def test_a_digest_says_what_would_come_and_nothing_else(trees: Trees) -> None:
    path = trees.file("d/f", "one")
    op, first = CopyOp(["d"], "/x"), trees.digest(CopyOp(["d"], "/x"))
    os.utime(path, (1, 1))
    os.chown(path, 9, 9)  # owners in a context do not count
    assert trees.digest(op) == first
    trees.file("unrelated")
    assert trees.digest(op) == first
    seen = {first}
    changes = [
        lambda: path.write_text("two"),
        lambda: path.chmod(0o755),
        lambda: os.setxattr(path, "user.x", b"1"),
        lambda: path.rename(trees.source / "d/g"),
        lambda: (trees.source / "d/empty").mkdir(),
        lambda: (trees.source / "d/l").symlink_to("g"),
        lambda: os.mkfifo(trees.source / "d/p"),
    ]
    for change in changes:
        change()
        seen.add(trees.digest(op))
    assert len(seen) == len(changes) + 1
    others = [
        CopyOp(["d"], "/y"), CopyOp(["d"], "/x", chown="1"), CopyOp(["d"], "/x", chmod="600"),
        CopyOp(["d"], "/x", exclude=["g"]), CopyOp(["d/g"], "/x"), CopyOp(["d/g"], "/x", add=True),
    ]  # fmt: skip
    assert len({trees.digest(other) for other in others} | seen) == len(seen) + len(others)


def test_contents_are_read_once_until_they_change(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    path, large = trees.file("d/f", "one"), trees.file("d/large", b"y" * 200_000)
    op, source = CopyOp(["d"], "/x"), Source(str(trees.source), (0, 0))
    first = digest(op, source, trees.hashes)
    opened: list[object] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest, **more: opened.append(path) or real(path, *rest, **more))
    assert digest(op, source, trees.hashes) == first
    assert not {"f", "large"} & {str(name) for name in opened}
    path.write_text("two")
    large.write_bytes(b"z" * 200_000)
    assert digest(op, source, trees.hashes) != first
    assert {"f", "large"} <= {str(name) for name in opened}
