"""Sent: a directory that a client sends file by file, as the tar that `context.receive` takes. Pure."""

from __future__ import annotations

from corral.linux.tar.entry import Entry as File
from corral.linux.tar.entry import Kind
from corral.linux.tar.writer import END, entry_bytes, padding

__all__ = ["END", "File", "Kind", "begin", "padding"]


def begin(file: File) -> bytes:
    """What stands before a file's content, which has `file.size` bytes and `padding` behind it.

    >>> len(begin(File("a", size=3)))
    512
    """
    file.stored = file.size if file.kind == "file" else 0
    return entry_bytes(file)
