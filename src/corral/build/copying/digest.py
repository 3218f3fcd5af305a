"""Digest: one value for all that an op would bring; the same again means that nothing needs to be copied."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping

import msgspec

from corral.build.copying.attributes import place_of, read_attributes
from corral.build.copying.chmod import parse_chmod
from corral.build.copying.fetch import Fetched
from corral.build.copying.filters import Rules
from corral.build.copying.hashing import Hashed, Hashes
from corral.build.copying.listing import MissingSource, Node, Source, find, walk
from corral.build.copying.plan import Piece, plan_copy
from corral.build.ops import CopyOp
from corral.errors import from_oserror
from corral.linux.archive import Tree

_FORMAT = 1  # count it up when the same files shall give another digest
_encode = msgspec.msgpack.Encoder().encode


def digest(
    op: CopyOp, source: Source, hashes: Hashes | None = None, fetched: Mapping[str, Fetched] | None = None,
    check: Callable[[], None] = lambda: None,
) -> str:  # fmt: skip
    """ "sha256:…" of the op and its files. Blocking; `check` is called often, and may raise to end it.

    MissingSource, InvalidInput, HostError.
    """
    pieces = plan_copy(op)
    parts: list[object] = [_FORMAT, _flags(op)]
    rules_of = {piece.include: Rules.of(piece.include, op.exclude) for piece in pieces}
    hashed = hashlib.sha256()
    local = [piece for piece in pieces if piece.kind == "local"]
    try:
        if local:
            with Tree(source.root) as tree:
                for piece in local:
                    for part in _local(op, source, tree, piece, rules_of[piece.include], hashes or Hashes(), check):
                        hashed.update(part)
    except OSError as error:
        raise from_oserror(f"read {source.name}", error) from error
    contents = {file.name: file.content for file in op.files}
    for piece in pieces:
        if piece.kind == "inline":
            parts.append(("inline", piece.name, contents[piece.name]))
        elif piece.kind != "local":
            parts.append((piece.kind, piece.name, piece.unpack, (fetched or {})[piece.path].digest))
        else:
            parts.append(("local", piece.unpack))
    hashed.update(_encode(parts))
    return f"sha256:{hashed.hexdigest()}"


def _flags(op: CopyOp) -> tuple[object, ...]:
    return (op.target, op.chown, op.chmod, op.link, op.exclude, bool(op.add and op.keep_git_dir))


def _local(
    op: CopyOp, source: Source, tree: Tree, piece: Piece, rules: Rules, hashes: Hashes, check: Callable[[], None]
) -> list[bytes]:  # fmt: skip
    parts = []
    seen = not piece.required
    change = parse_chmod(op.chmod) if op.chmod else None
    for found in find(tree, source, piece, rules):
        nodes = list(walk(tree, found, rules))
        seen = seen or any(node.below.startswith(piece.include) for node in nodes)
        contents = hashes.contents(tree, nodes, check)
        name = "" if found.directory else found.name
        parts.append(_encode((os.fsencode(name), found.directory, len(nodes))))
        for node, content in zip(nodes, contents, strict=True):
            parts.append(_record(tree, node, source.owner, bool(op.chown), change, content))
    if not seen:
        raise MissingSource(source, piece.required)
    return parts


def _record(
    tree: Tree, node: Node, owner: tuple[int, int] | None, chown: bool,
    change: Callable[[int, bool], int] | None, hashed: Hashed | None,
) -> bytes:  # fmt: skip
    """One file as it will be. Of a directory whose content is copied nothing counts but that."""
    there = node.stat
    kind, mode = stat.S_IFMT(there.st_mode), stat.S_IMODE(there.st_mode)
    if kind == stat.S_IFDIR and not node.below:
        return b""
    ids = None if chown else owner or (there.st_uid, there.st_gid)
    content: object = None
    if hashed is not None:
        content, attributes = hashed
    else:
        directory = tree.directory(node.above)
        attributes = read_attributes(place_of(directory, node.name))
        if kind == stat.S_IFLNK:
            content, mode = os.fsencode(os.readlink(node.name, dir_fd=directory)), 0o777
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            content = there.st_rdev
    if change is not None and kind != stat.S_IFLNK:
        mode = change(mode, kind == stat.S_IFDIR)
    below = node.below.encode("utf-8", "surrogateescape")
    return _encode((below, kind, mode, ids, content, sorted(attributes.items()) if attributes else ()))
