"""Plan: what an op asks for, source by source, and which place a thing goes to. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from corral.build.copying.chmod import parse_chmod
from corral.build.copying.giturl import GitRef, parse_git_ref
from corral.build.copying.match import clean_path, has_wildcards
from corral.build.ops import CopyOp
from corral.errors import InvalidInput

_UNNAMED = "__unnamed__"


@dataclass(frozen=True)
class Piece:
    """One source of an op.

    local: `path` of the origin, absolute and clean, maybe with wildcards, unless it is `literal`. With --parents `path`
    is the directory that the names are kept from, `include` the pattern below it, and `required` what must be there.
    url, git: `path` as it was written, `git` what it means; `name` is the file's name where the target is a directory.
    inline: `path` is the name; the content is the op's.
    """

    kind: Literal["local", "url", "git", "inline"]
    path: str
    name: str = ""
    include: str = ""
    required: str = ""
    unpack: bool = False
    git: GitRef | None = None
    literal: bool = False


def plan_copy(op: CopyOp) -> list[Piece]:
    """The pieces, in the order in which they are copied. InvalidInput for what BuildKit refuses.

    >>> [piece.path for piece in plan_copy(CopyOp(["a/", "../*.c"], "/src/"))]
    ['/a/', '/*.c']
    >>> piece, = plan_copy(CopyOp(["src/./lib/*.c"], "/", parents=True))
    >>> piece.path, piece.include, piece.required
    ('/src', 'lib/*.c', '')
    >>> plan_copy(CopyOp(["https://example.com/d/a%20b.tgz?x"], "/", add=True))[0].name
    'a b.tgz'
    """
    if op.chmod:
        parse_chmod(op.chmod)
    pieces = [_piece(op, source) for source in op.sources]
    if op.checksum:
        _check_checksum(op, pieces)
    return pieces + [Piece("inline", file.name, file.name) for file in op.files]


def _piece(op: CopyOp, source: str) -> Piece:
    if op.literal:
        return Piece("local", clean_path(source), literal=True)
    git = parse_git_ref(source)
    if git is not None:
        if not op.add:
            raise InvalidInput("source can't be a git ref for COPY")
        if op.checksum and git.checksum and op.checksum != git.checksum:
            raise InvalidInput(f'checksum mismatch "{op.checksum}" != "{git.checksum}"')
        return Piece("git", source, git=git)
    if is_url(source):
        if not op.add:
            raise InvalidInput("source can't be a URL for COPY")
        return Piece("url", source, name=url_name(source), unpack=bool(op.unpack))
    unpack = op.add if op.unpack is None else op.unpack
    if not op.parents:
        return Piece("local", clean_path(source), unpack=unpack)
    above, pivot, below = source.partition("/./")
    base, pattern = (above, below) if pivot else ("/", source)
    pattern = clean_path(pattern).strip("/")
    required = "" if has_wildcards(base) or has_wildcards(pattern) else clean_path(f"{base}/{pattern}").rstrip("/")
    return Piece("local", clean_path(base), include=pattern, required=required, unpack=unpack)


def is_url(source: str) -> bool:
    """
    >>> is_url("https://a/b"), is_url("a/b")
    (True, False)
    """
    return source.startswith(("http://", "https://"))


def url_name(url: str) -> str:
    """The file's name, where the target is a directory.

    >>> url_name("https://a/b/c.txt?q#f"), url_name("https://a/"), url_name("https://a/b/..")
    ('c.txt', '__unnamed__', '__unnamed__')
    """
    name = posixpath.basename(unquote(urlsplit(url).path).rstrip("/"))
    return name if name not in ("", ".", "..") and "\0" not in name else _UNNAMED


def _check_checksum(op: CopyOp, pieces: Sequence[Piece]) -> None:
    if not op.add:
        raise InvalidInput("checksum can't be specified for COPY")
    if len(pieces) != 1:
        raise InvalidInput("checksum can't be specified for multiple sources")
    if pieces[0].kind not in ("url", "git"):
        raise InvalidInput("checksum requires HTTP(S) or Git sources")


@dataclass(frozen=True)
class Place:
    """Where a thing goes: `path`, and the directory that must be there, or is made, before."""

    path: str
    parents: str


def plan_parents(target: str) -> str:
    """The directory that a target asks for by its form: itself with a slash at its end, else the one above.

    >>> plan_parents("/a/b"), plan_parents("/a/b/"), plan_parents("/a/.")
    ('/a', '/a/b', '/a')
    """
    return posixpath.normpath(posixpath.dirname(target) or "/")


def plan_place(name: str, directory: bool, target: str, there: Literal["", "file", "directory"]) -> Place:
    """Where `name` (a file, or a directory whose content is meant) goes, by what is at `target`, which has no links.

    >>> plan_place("a.txt", False, "/dst", "directory")      # a file into a directory keeps its name
    Place(path='/dst/a.txt', parents='/dst')
    >>> plan_place("a.txt", False, "/dst/b", "")             # else the target is its new name
    Place(path='/dst/b', parents='/dst')
    >>> plan_place("src", True, "/dst", "")                  # the content of a directory needs the target
    Place(path='/dst', parents='/dst')
    >>> plan_place("src", True, "/dst", "directory")         # … and is merged into it
    Place(path='/dst', parents='/')
    """
    if directory:
        return Place(target, target if not there else posixpath.dirname(target))
    path = posixpath.join(target, name) if there == "directory" else target
    return Place(path, posixpath.dirname(path))
