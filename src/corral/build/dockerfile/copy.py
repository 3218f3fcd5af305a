"""Copy: what COPY and ADD come to. Pure."""

from __future__ import annotations

import re

from corral.build.dockerfile.heredocs import file_name
from corral.build.dockerfile.instructions import Copy
from corral.build.dockerfile.origins import copy_origin, stage_number
from corral.build.dockerfile.sources import source_kind
from corral.build.dockerfile.texts import quote
from corral.build.dockerfile.turn import Evaluated, Turn
from corral.build.ops import CopyOp, InlineFile
from corral.build.request import BuildFailed
from corral.kit.paths import clean, join

_SYMBOLIC = re.compile(r"[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*")


def copy(turn: Turn, found: Copy) -> Evaluated:
    chown, chmod, checksum = turn.expand(found.chown), turn.expand(found.chmod), turn.expand(found.checksum)
    sources = [turn.expand(source) for source in found.sources]
    target = turn.expand(found.target)
    files = [InlineFile(file_name(h.name), turn.expand_content(h.text) if h.expand else h.text) for h in found.heredocs]
    shown = turn.shown()
    if not found.origin:
        _lint(turn, "Add" if found.add else "Copy", sources)
    _check_chmod(chmod)
    _check_checksum(checksum, sources)
    if not found.add:
        _check_local(sources)
    op = CopyOp(
        sources=sources,
        target=absolute_target(turn.config.workdir, target),
        origin=_origin(turn, found),
        files=files,
        add=found.add,
        chown=chown,
        chmod=chmod,
        link=found.link,
        parents=found.parents,
        exclude=found.exclude,
        checksum=checksum,
        keep_git_dir=bool(found.keep_git_dir),
        unpack=found.unpack,
    )
    return turn.done(_history(op, [h.name for h in found.heredocs], target), op, shown)


def _lint(turn: Turn, verb: str, sources: list[str]) -> None:
    """Copies that .dockerignore lets find nothing. With exceptions in it, that is not known beforehand."""
    ignore = turn.plan.ignore
    if ignore is None or ignore.exceptions:
        return
    for source in sources:
        path = clean(source)
        if source_kind(source) != "path" or (path in (".", "/") and not ignore.everything):
            continue
        if ignore.ignores(path):
            turn.warn("CopyIgnoredFile", verb, quote(path))


def _origin(turn: Turn, found: Copy) -> str:
    if not found.origin:
        return ""
    origin = copy_origin(turn.plan.names, found.origin, turn.plan.rules)
    number = stage_number(origin)
    if number is not None and number >= turn.state.number:
        current = turn.plan.stages[turn.state.number].shown
        raise BuildFailed(
            f"cannot copy from stage {quote(found.origin)}, it needs to be defined before current stage "
            f"{quote(current)}"
        )
    return origin


def absolute_target(workdir: str, target: str) -> str:
    """A slash at the end stays: it says that the target is a directory.

    >>> absolute_target("/src", "."), absolute_target("/src", "a/"), absolute_target("/", "b")
    ('/src/', '/src/a/', '/b')
    >>> absolute_target("/src", "/a/.."), absolute_target("/src", "/a/.")
    ('/', '/a/.')
    """
    if target in ("", "."):
        target = "./"
    found = clean(target) if target.startswith("/") else join("/", workdir, target)
    if target.endswith("/") and not found.endswith("/"):
        return f"{found}/"
    if target.endswith("/."):
        return f"{found}/." if found != "/" else "/."
    return found


def _history(op: CopyOp, heredocs: list[str], target: str) -> str:
    """
    >>> _history(CopyOp(["a"], "/src/", chown="1:1"), ["b"], "src/")
    'COPY --chown=1:1 a <<b src/ # buildkit'
    """
    flags = ["--parents"] if op.parents else []
    flags += [f"--{name}={value}" for name, value in (("chown", op.chown), ("chmod", op.chmod)) if value]
    words = ["ADD" if op.add else "COPY", *flags, *op.sources, *(f"<<{name}" for name in heredocs), target]
    return f"{' '.join(words)} # buildkit"


def _check_chmod(text: str) -> None:
    """
    >>> _check_chmod("0755"), _check_chmod("u=rwX,go=rX"), _check_chmod("")
    (None, None, None)
    """
    octal = bool(text) and not text.strip("01234567") and int(text, 8) <= 0o7777
    if text and not octal and not _SYMBOLIC.fullmatch(text):
        raise BuildFailed(f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")


def _check_checksum(checksum: str, sources: list[str]) -> None:
    if not checksum:
        return
    if len(sources) != 1:
        raise BuildFailed("checksum can't be specified for multiple sources")
    if source_kind(sources[0]) == "path":
        raise BuildFailed("checksum requires HTTP(S) or Git sources")


def _check_local(sources: list[str]) -> None:
    for source in sources:
        kind = source_kind(source)
        if kind == "git":
            raise BuildFailed("source can't be a git ref for COPY")
        if kind == "url":
            raise BuildFailed("source can't be a URL for COPY")
