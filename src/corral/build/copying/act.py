"""Act: carries out a COPY or an ADD: from directories that strangers filled, into one that is the image's."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Mapping
from typing import Final, Literal

from corral.build.copying.archives import is_archive, unpack
from corral.build.copying.chmod import parse_chmod, parse_octal
from corral.build.copying.content import NEW
from corral.build.copying.fetch import Fetched
from corral.build.copying.filters import Rules
from corral.build.copying.listing import Found, Source, find, look, resolve, walk
from corral.build.copying.owner import find_owner, needs_lookup
from corral.build.copying.plan import Piece, plan_copy, plan_parents, plan_place
from corral.build.copying.transfer import Writer
from corral.build.ops import CopyOp
from corral.errors import InvalidInput, from_oserror
from corral.linux.archive import Tree
from corral.linux.filling import write_all

UNPACKED: Final = 0o755  # of directories that are made for what an archive has, and for all else without --chmod


def links(op: CopyOp) -> bool:
    """Is it a layer of its own, made in an empty directory? Pure. With --chmod it is not, as in BuildKit.

    >>> links(CopyOp(["a"], "/", link=True)), links(CopyOp(["a"], "/", link=True, chmod="755"))
    (True, False)
    """
    return op.link and not op.chmod


def carry_out(
    op: CopyOp, source: Source, target: str, fetched: Mapping[str, Fetched] | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Copies into `target`. Blocking; `check` is called often, and may raise to end it.

    MissingSource, InvalidInput in BuildKit's words, NoSpace, HostError.
    """
    if links(op) and needs_lookup(op.chown):
        raise InvalidInput(
            f"invalid user index: -1: --link --chown={op.chown}: a layer that depends on nothing below has no "
            "/etc/passwd to find a name in: give numbers, or leave out --link"
        )
    try:
        with Tree(target) as tree:
            _Copy(op, source, tree, check).run(fetched or {})
    except OSError as error:
        raise from_oserror(f"{'ADD' if op.add else 'COPY'} to {op.target}", error) from error


class _Copy:
    def __init__(self, op: CopyOp, source: Source, target: Tree, check: Callable[[], None]) -> None:
        self._op, self._source, self._target, self._check = op, source, target, check
        self._owner = find_owner(op.chown, target.root) if op.chown else None
        octal = parse_octal(op.chmod) if op.chmod else None
        made_mode = UNPACKED if octal is None else octal & 0o777
        self._writer = Writer(target, self._owner, parse_chmod(op.chmod) if op.chmod else None, made_mode, check)

    def run(self, fetched: Mapping[str, Fetched]) -> None:
        contents = {file.name: file.content for file in self._op.files}
        for piece in plan_copy(self._op):
            if piece.kind == "local":
                with Tree(self._source.root) as tree:
                    self._local(tree, piece)
            elif piece.kind == "inline":
                self._inline(piece.name, contents[piece.name].encode())
            else:
                with Tree(fetched[piece.path].root) as tree:
                    self._fetched(tree, piece)
            self._writer.finish()

    # Kinds of sources.

    def _local(self, tree: Tree, piece: Piece) -> None:
        rules = Rules.of(piece.include, self._op.exclude)
        for found in find(tree, self._source, piece, rules):
            if piece.unpack and not found.directory and is_archive(tree, found.path):
                self._unpack(tree, found.path)
            else:
                self._found(tree, found, rules, self._source.owner)

    def _fetched(self, tree: Tree, piece: Piece) -> None:
        if piece.kind == "git":
            rules = Rules.of("", self._op.exclude)
            self._found(tree, Found("", "", True), rules, (0, 0), whole=True)
        elif piece.unpack and is_archive(tree, piece.name):
            self._unpack(tree, piece.name)
        else:
            self._found(tree, Found(piece.name, piece.name, False), Rules(), (0, 0))

    def _unpack(self, tree: Tree, path: str) -> None:
        place = resolve(self._target, self._op.target)
        self._writer.make_directories(place, UNPACKED)  # in BuildKit --chmod is not for archives
        unpack(tree, path, self._target, place, self._owner, self._check)
        self._target.forget()  # an archive may have put a link where a directory was

    def _found(
        self, tree: Tree, found: Found, rules: Rules, owner: tuple[int, int] | None, *, whole: bool = False
    ) -> None:  # fmt: skip
        """`whole`: a directory that is made gets the attributes of its source, instead of those of a new one."""
        place, there = self._place(found.name, found.directory, made=not whole)
        self._writer.begin()
        for node in walk(tree, found, rules):
            if node.below:
                self._writer.write(tree, node, f"{place}/{node.below}" if place else node.below, owner)
            elif not found.directory or (whole and not there):
                self._writer.write(tree, node, place, owner)
            else:
                self._writer.later(place, node.stat)

    def _inline(self, name: str, content: bytes) -> None:
        place, _ = self._place(name, False)
        parent = self._target.directory(posixpath.dirname(place))
        self._writer.replace(parent, place)
        fd = os.open(posixpath.basename(place), NEW, 0o600, dir_fd=parent)
        try:
            write_all(fd, content)
            os.fchown(fd, *(self._owner or (0, 0)))
            os.fchmod(fd, parse_chmod(self._op.chmod)(0o644, False) if self._op.chmod else 0o644)
        finally:
            os.close(fd)

    # Places.

    def _place(self, name: str, directory: bool, made: bool = True) -> tuple[str, Literal["", "file", "directory"]]:
        """Where it goes, without a slash in front; the directories above are there. And what was there before."""
        self._writer.make_directories(resolve(self._target, plan_parents(self._op.target)))
        target = resolve(self._target, posixpath.normpath(self._op.target))
        there = self._kind(target)
        place = plan_place(name, directory, f"/{target}", there)
        if directory and there == "file":
            raise InvalidInput(f"cannot copy to non-directory: /{target}")
        self._writer.make_directories(place.parents.strip("/") if made else posixpath.dirname(target))
        return place.path.strip("/"), there

    def _kind(self, path: str) -> Literal["", "file", "directory"]:
        there = look(self._target, path)
        if there is None:
            return ""
        return "directory" if stat.S_ISDIR(there.st_mode) else "file"
