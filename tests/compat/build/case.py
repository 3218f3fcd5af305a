"""One case: a Dockerfile, its context and the flags of the build, and what the result must hold."""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PEERS = ("dockerd", "buildah")


@dataclass(frozen=True)
class Case:
    """`files`: path in the context to content; "LINK:x" is a link to x, a trailing slash a directory, and "0755 text"
    with `modes`. `tree`: path in the image to "MODE UID:GID CONTENT" ("-" where there is none). `config`: fields of
    the image's Config. `says`: words of the build's output. `fails`: words of its error. `peers` build it the same.
    """

    name: str
    dockerfile: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    args: Sequence[str] = ()
    tree: Mapping[str, str | None] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[str] = ()
    says: Sequence[str] = ()
    fails: str = ""
    peers: Sequence[str] = PEERS
    where: str = "."

    def lay(self, folder: Path) -> None:
        """The context, as files."""
        folder.mkdir(exist_ok=True)
        if self.dockerfile:
            (folder / "Dockerfile").write_text(self.dockerfile)
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            elif isinstance(content, str) and content.startswith("LINK:"):
                path.unlink(missing_ok=True)
                path.symlink_to(content.removeprefix("LINK:"))
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        for name, mode in self.modes.items():
            os.chmod(folder / name, mode)


def absolute(name: str) -> str:
    """An entry's name as a path. Pure.

    >>> absolute("./a/"), absolute("."), absolute(".dockerenv")
    ('/a', '/', '/.dockerenv')
    """
    return posixpath.normpath("/" + name)


def listing(rootfs: bytes) -> dict[str, str]:
    """A file system's tar: path to "MODE UID:GID CONTENT". Links show where they lead; hard links what they are."""
    found: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(rootfs)) as tar:
        for entry in tar:
            name = absolute(entry.name)
            content = "-"
            if entry.issym():
                content = "-> " + entry.linkname
            elif entry.islnk():
                found[name] = found[absolute(entry.linkname)]
                continue
            elif entry.isfile():
                data = tar.extractfile(entry)
                content = data.read().decode(errors="replace") if data else ""
            found[name] = f"{entry.mode & 0o7777:04o} {entry.uid}:{entry.gid} {content}"
    return found


def tar_of(files: Mapping[str, str], **fields: Any) -> bytes:
    """A small archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o640
            for key, value in fields.items():
                setattr(entry, key, value)
            tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()
