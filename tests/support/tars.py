"""Archives for tests, made by the standard library: an independent idea of what a tar is."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import AsyncIterator, Iterable, Iterator

ME = (os.getuid(), os.getgid())


def member(name: str, kind: str = "file", data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """One entry; owned by whoever runs the test, so that unpacking needs no root."""
    info = tarfile.TarInfo(name)
    info.type = {
        "file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE,
        "char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE, "fifo": tarfile.FIFOTYPE,
    }[kind]  # fmt: skip
    info.uid, info.gid = ME
    info.mode = 0o755 if kind == "dir" else 0o644
    info.mtime = 1_700_000_000
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of these entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def chunked(data: bytes, size: int = 1000) -> Iterator[bytes]:
    """The data in pieces that fit no block."""
    return (data[at : at + size] for at in range(0, len(data), size))


async def stream(data: bytes | Iterable[bytes], size: int = 65_536) -> AsyncIterator[bytes]:
    """The data as a request's body comes."""
    for piece in chunked(data, size) if isinstance(data, bytes) else data:
        yield piece


def listing(root: str | os.PathLike[str]) -> dict[str, tuple[object, ...]]:
    """What there is below a directory: kind and mode, owner, size or target, content, whole seconds."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(directory, name)
            there = os.lstat(path)
            extra: object = there.st_rdev
            if os.path.islink(path):
                extra = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    extra = file.read()
            xattrs = (
                () if os.path.islink(path) else tuple(sorted((k, os.getxattr(path, k)) for k in os.listxattr(path)))
            )
            key = os.path.relpath(path, root)
            mode = there.st_mode if not os.path.islink(path) else there.st_mode & 0o170000
            found[key] = (mode, there.st_uid, there.st_gid, extra, int(there.st_mtime), xattrs)
    return found
