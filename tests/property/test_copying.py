"""Copying: paths never leave their root, patterns mean what Go's do, and a copy is what was copied."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.build.copying import Source, carry_out, digest
from corral.build.copying.listing import resolve
from corral.build.copying.match import compile_match
from corral.build.ops import CopyOp
from corral.errors import InvalidInput
from corral.linux.archive import Tree
from corral.linux.rooted import open_in_root

names = st.sampled_from(["a", "b", "c"])
paths = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=5).map("/".join)
targets = st.builds(lambda absolute, path: absolute + path, st.sampled_from(["", "/", "/.."]), paths)
trees = st.dictionaries(
    st.lists(names, min_size=1, max_size=3).map("/".join),
    st.one_of(st.just(None), st.binary(max_size=9), targets.map(lambda target: ("link", target))),
    max_size=8,
)  # a directory, a file's content, or a link


@contextmanager
def made(tree: dict[str, object]) -> Iterator[Path]:
    """The tree in a directory; what has no place in it, for something else is in the way, is left out."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        root.mkdir()
        for path, what in tree.items():
            at, above = root / path, root / os.path.dirname(path)
            way = [above, *above.parents][:3]
            if at.is_symlink() or at.exists() or any(p.is_symlink() or p.is_file() for p in way):
                continue
            above.mkdir(parents=True, exist_ok=True)
            if what is None:
                at.mkdir()
            elif isinstance(what, bytes):
                at.write_bytes(what)
            else:
                at.symlink_to(what[1])  # type: ignore[index]
        yield root


@given(trees, targets)
@settings(max_examples=150, deadline=None)
def test_a_path_is_resolved_as_the_kernel_does_it_in_a_root(tree: dict[str, object], path: str) -> None:
    with made(tree) as root, Tree(str(root)) as opened:
        try:
            fd = open_in_root(opened.root, path, os.O_PATH)
        except OSError:
            return  # it is not there, or goes round
        try:
            there = os.readlink(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        assert os.path.normpath(f"{root}/{resolve(opened, path)}") == there


@given(trees)
@settings(max_examples=80, deadline=None)
@pytest.mark.root
def test_a_copy_is_what_was_copied(tree: dict[str, object]) -> None:
    op = CopyOp(["."], "/")
    with made(tree) as root, tempfile.TemporaryDirectory() as target:
        carry_out(op, Source(str(root)), target)
        assert digest(op, Source(target)) == digest(op, Source(str(root)))


def go_match(pattern: str, name: str) -> bool:
    """As Go's documentation says it, by trying everything."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        ends = range(len(name) + 1)
        return any("/" not in name[:n] and go_match(pattern[1:], name[n:]) for n in ends)
    if not name:
        return False
    if pattern[0] == "?":
        return name[0] != "/" and go_match(pattern[1:], name[1:])
    if pattern[0] == "[":
        end = pattern.index("]", 2)
        inner = pattern[1:end]
        negated = inner.startswith("^")
        return (name[0] in inner[negated:]) != negated and go_match(pattern[end + 1 :], name[1:])
    return pattern[0] == name[0] and go_match(pattern[1:], name[1:])


pieces = st.sampled_from(["*", "?", "a", "b", "/", "[ab]", "[^a]", "."])


@given(st.lists(pieces, max_size=6).map("".join), st.text("ab/.", max_size=7))
@settings(max_examples=400)
def test_patterns_are_gos(pattern: str, name: str) -> None:
    assert bool(compile_match(pattern).fullmatch(name)) == go_match(pattern, name)


@given(st.text("[]^-\\*?a", max_size=8))
def test_any_pattern_is_taken_or_refused(pattern: str) -> None:
    with suppress(InvalidInput):
        compile_match(pattern)
