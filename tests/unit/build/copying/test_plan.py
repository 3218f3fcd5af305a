"""What an op asks for, and what BuildKit refuses; the examples in the docstrings say the rest."""

from __future__ import annotations

import pytest

from corral.build.copying.chmod import parse_chmod
from corral.build.copying.giturl import parse_git_ref
from corral.build.copying.http import parse_checksum
from corral.build.copying.match import compile_match
from corral.build.copying.owner import plan_owner
from corral.build.copying.plan import plan_copy, plan_place
from corral.build.ops import CopyOp, InlineFile
from corral.errors import InvalidInput

COMMIT = "a" * 40


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (CopyOp(["https://a/b"], "/"), "source can't be a URL for COPY"),
        (CopyOp(["https://a/b.git"], "/"), "source can't be a git ref for COPY"),
        (CopyOp(["a"], "/", checksum="sha256:00"), "checksum can't be specified for COPY"),
        (CopyOp(["a"], "/", add=True, checksum="sha256:00"), "checksum requires HTTP"),
        (CopyOp(["a", "https://a/b"], "/", add=True, checksum="sha256:00"), "multiple sources"),
        (CopyOp(["a"], "/", chmod="9"), "should be octal string and between 0 and 07777"),
        (CopyOp(["a"], "/", chmod="10000"), "between 0 and 07777"),
        (CopyOp(["a"], "/", chmod="u*x"), "invalid syntax"),
    ],
)
def test_refusals(op: CopyOp, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        plan_copy(op)


def test_kinds_of_an_add() -> None:
    sources = ["a.tgz", "https://h/f.tgz", "https://h/r.git#v1:d", "git@h:r.git"]
    op = CopyOp(sources, "/d/", add=True, files=[InlineFile("EOF", "x")])
    pieces = plan_copy(op)
    assert [p.kind for p in pieces] == ["local", "url", "git", "git", "inline"]
    assert [p.unpack for p in pieces] == [True, False, False, False, False]
    assert [p.unpack for p in plan_copy(CopyOp(["a", "https://h/f"], "/", add=True, unpack=True))] == [True, True]


@pytest.mark.parametrize(
    ("source", "path", "include", "required"),
    [
        ("a/b", "/", "a/b", "/a/b"),
        ("./a/../b", "/", "b", "/b"),
        ("a/./b/c", "/a", "b/c", "/a/b/c"),
        ("a/*/./c", "/a/*", "c", ""),
        ("a/./**/c", "/a", "**/c", ""),
        ("../../a/./../b", "/a", "b", "/a/b"),
    ],
)
def test_parents_have_a_pivot(source: str, path: str, include: str, required: str) -> None:
    (piece,) = plan_copy(CopyOp([source], "/", parents=True))
    assert (piece.path, piece.include, piece.required) == (path, include, required)


def test_a_file_under_a_file_keeps_the_target() -> None:
    assert plan_place("a", False, "/x", "file").path == "/x"
    assert plan_place("a", False, "/", "directory").path == "/a"


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*.[ch]", ["a.c", ".h"], ["a.cc", "d/a.c"]),
        (r"\*", ["*"], ["a"]),
        ("[^a-c]?", ["dx", "zé"], ["ax", "d"]),
        (r"[\]]", ["]"], ["\\"]),
        ("a[]b]", [], []),
        ("x.y", ["x.y"], ["xzy"]),
        ("*", ["", ".hidden", "\n"], ["a/b"]),
    ],
)
def test_go_patterns(pattern: str, matching: list[str], other: list[str]) -> None:
    if pattern == "a[]b]":  # Go wants something between the brackets first
        with pytest.raises(InvalidInput):
            compile_match(pattern)
        return
    regex = compile_match(pattern)
    assert all(regex.fullmatch(name) for name in matching)
    assert not any(regex.fullmatch(name) for name in other)


@pytest.mark.parametrize("pattern", ["[", "[a", "[a-", "[-a]", "a\\", "[\\"])
def test_go_refuses_patterns(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="syntax error in pattern"):
        compile_match(pattern)


@pytest.mark.parametrize(
    ("text", "mode", "directory", "result"),
    [
        ("4755", 0o600, False, 0o4755),
        ("u=rwX,go=rX", 0o644, False, 0o644),
        ("u=rwX,go=rX", 0o100, False, 0o755),
        ("a+X", 0o600, True, 0o711),
        ("-x", 0o777, False, 0o666),
        ("u+s,g-s", 0o2755, False, 0o4755),
        ("o=", 0o777, False, 0o770),
        ("g=u", 0o740, False, 0o770),
        ("+rw-x", 0o111, False, 0o666),
        ("u=rw,g=r,o=", 0o777, False, 0o640),
    ],
)
def test_chmod(text: str, mode: int, directory: bool, result: int) -> None:
    assert oct(parse_chmod(text)(mode, directory)) == oct(result)


def test_git_urls_say_what_is_meant() -> None:
    ref = parse_git_ref(f"https://h/r.git?branch=b&subdir=s/../t&checksum={COMMIT}&submodules=false&keep-git-dir")
    assert ref is not None
    assert (ref.ref, ref.subdir, ref.checksum, ref.submodules, ref.keep_git_dir) == (
        "refs/heads/b", "t", COMMIT, False, True,
    )  # fmt: skip
    assert parse_git_ref("github.com/o/r") is None
    context = parse_git_ref("github.com/o/r#main:dir", context=True)
    assert context is not None
    assert (context.remote, context.ref, context.subdir) == ("https://github.com/o/r", "main", "dir")
    assert parse_git_ref("file:///r", context=False) is None


@pytest.mark.parametrize(
    "url",
    ["https://h/r.git#-x", "https://h/r.git#a b", "https://h/r.git#a..b", "https://h/r.git?x=1", "https://h/r.git?ref=",
     "https://h/r.git?ref=a#b", "ssh://-oProxy h/r.git", "https://h/r.git?tag=a&branch=b"],
)  # fmt: skip
def test_git_urls_that_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        parse_git_ref(url)


def test_owners() -> None:
    passwd, group = "app:x:100:200::/:/bin/sh\nbroken\n", "web:x:33:\n100:x:7:\n"
    assert plan_owner("app:web", passwd, group) == (100, 33)
    assert plan_owner("5:100", passwd, group) == (5, 100)  # a number is a number, whatever groups are called
    assert plan_owner(":web", passwd, group) == (0, 33)
    for bad in ("broken", "x:web", "app:none", str(1 << 32)):
        with pytest.raises(InvalidInput, match="invalid --chown"):
            plan_owner(bad, passwd, group)


@pytest.mark.parametrize("text", ["sha256", "sha256:xyz", "sha256:00", "md5:00", ":00", "sha256:" + "A" * 64])
def test_checksums_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="--checksum"):
        parse_checksum(text)
