"""What a build is made from: a directory here, packed without what its .dockerignore names; or stdin, or a URL."""

from __future__ import annotations

import os
import sys

from corral.cli.build_words import is_url
from corral.cli.fail import Failure
from corral.cli.tarring import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 1 << 20
MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstd


class Source:
    """`folder` is packed; `stream` is a tar that comes from stdin; `remote` is for the daemon to fetch.

    `dockerfile` is the file's name for people and, where `text` is None, its place in the context.
    """

    def __init__(self) -> None:
        self.folder = self.remote = ""
        self.stream: Iterator[bytes] | None = None
        self.dockerfile = "Dockerfile"
        self.text: str | None = None
        self.ignore: list[str] = []


def looks_like_tar(begin: bytes) -> bool:
    """Pure: from the first bytes of stdin.

    >>> looks_like_tar(b"FROM busybox"), looks_like_tar(b"\\x1f\\x8b\\x08"), looks_like_tar(bytes(257) + b"ustar")
    (False, True, True)
    """
    return begin.startswith(MAGIC) or begin[257:262] == b"ustar"


def find(where: str, file: str) -> Source:
    """The source that the command line names: `where` is PATH, URL or "-", `file` is -f's word. Failure."""
    source = Source()
    if where == "-" and file == "-":
        raise Failure("invalid argument: can't use stdin for both build context and dockerfile", 1)
    if file == "-":
        source.text = sys.stdin.read()
    if where == "-":
        _from_stdin(source)
    elif is_url(where):
        source.remote = where
    else:
        source.folder = where
        if not os.path.isdir(where):
            raise Failure(f'unable to prepare context: path "{where}" not found', 1)
    if source.folder:
        _read_dockerfile(source, file)
        source.ignore = read_ignore(source.folder, file)
    elif file not in ("", "-"):
        source.dockerfile = file
    return source


def _from_stdin(source: Source) -> None:
    """A tar is the context; any other text is the Dockerfile of a build without one."""
    begin = sys.stdin.buffer.read(512)
    if looks_like_tar(begin):
        source.stream = _rest_of_stdin(begin)
    else:
        source.text = (begin + sys.stdin.buffer.read()).decode("utf-8", "replace")


def _rest_of_stdin(begin: bytes) -> Iterator[bytes]:
    while begin:
        yield begin
        begin = sys.stdin.buffer.read(PIECE)


def _read_dockerfile(source: Source, file: str) -> None:
    """Its text goes with the request: -f may name a file outside, and the context need not hold it."""
    if file == "-":
        return
    path = file or os.path.join(source.folder, "Dockerfile")
    if not file and not os.path.lexists(path) and os.path.lexists(os.path.join(source.folder, "dockerfile")):
        path = os.path.join(source.folder, "dockerfile")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as opened:
            source.text = opened.read().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except OSError as error:
        shown = file or "Dockerfile"
        why = (error.strerror or "").lower()
        raise Failure(
            f"ERROR: failed to build: failed to solve: failed to read dockerfile: open {shown}: {why}", 1
        ) from None
    source.dockerfile = os.path.basename(path)


def read_ignore(folder: str, file: str) -> list[str]:
    """The patterns of the Dockerfile's own `NAME.dockerignore`, or else of the context's."""
    own = [f"{file}.dockerignore"] if file not in ("", "-") else [os.path.join(folder, "Dockerfile.dockerignore")]
    for path in (*own, os.path.join(folder, ".dockerignore")):
        try:
            with open(path, encoding="utf-8", errors="replace") as opened:
                from corral.kit.ignore import parse_ignore

                return _usable(parse_ignore(opened.read()))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Failure(f"open {path}: {(error.strerror or '').lower()}", 1) from None
    return []


def _usable(patterns: list[str]) -> list[str]:
    """The same; a broken one is told of before anything is sent. Failure."""
    from corral.errors import InvalidInput
    from corral.kit.ignore import Ignore

    try:
        Ignore(patterns)
    except InvalidInput as error:
        why = f"error from sender: invalid excludepatterns: [{' '.join(patterns)}]: {error.message}"
        raise Failure(f"ERROR: failed to build: failed to solve: {why}", 1) from None
    return patterns


def packed(folder: str, ignore: list[str]) -> Iterator[bytes]:
    """The directory as a tar. A directory that is left out is not even read, unless an exception reaches into it."""
    if not ignore:
        return pack(folder)
    from corral.kit.ignore import Ignore

    patterns = Ignore(ignore)

    def skip(name: str) -> tuple[bool, bool]:
        out = patterns.ignores(name)
        return out, out and patterns.prunes(name)

    return pack(folder, skip)
