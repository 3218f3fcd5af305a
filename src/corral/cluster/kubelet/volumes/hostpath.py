"""Directories, files, sockets and devices of the node itself, checked as the pod asks for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any, Final

from corral.cluster.kubelet.errors import NotMounted

Object = dict[str, Any]

CHECKS: Final[dict[str, tuple[Callable[[int], bool], str]]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def prepare(source: Object) -> str:
    """The path; what may be made is. NotMounted where it is not what was asked for."""
    path, kind = str(source["path"]), source.get("type") or ""
    if not os.path.exists(path):
        _make(path, kind)
    if kind in CHECKS:
        fits, words = CHECKS[kind]
        if not os.path.exists(path) or not fits(os.stat(path).st_mode):
            raise NotMounted(f"hostPath type check failed: {path} is not {words}")
    return path


def _make(path: str, kind: str) -> None:
    """Where the pod allows it. NotMounted in Go's words, which name what was tried."""
    try:
        if kind == "FileOrCreate":
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        elif kind in ("", "DirectoryOrCreate"):
            os.makedirs(path, mode=0o755, exist_ok=True)
    except OSError as error:
        tried = "open" if kind == "FileOrCreate" else "mkdir"
        raise NotMounted(f"{tried} {error.filename or path}: {(error.strerror or '').lower()}") from error
