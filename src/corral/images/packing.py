"""Packing: an overlay's upper directory as a layer's tar."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from corral.linux.archive import Entry, Packer, PackOptions


def pack_layer(
    put: Callable[[bytes], None],
    upper: str,
    below: Sequence[str],
    raw: Callable[[bytes], object] | None = None,
    written: Callable[[str, Entry], object] | None = None,
) -> None:
    """A writable layer as a layer's tar: deletions as `.wh.` entries. The root directory is an entry only if it
    differs from that below. `raw` and `written` are told what a recipe is made from (see `PackOptions`). Blocking."""
    with Packer(put, upper, PackOptions(overlay=True, raw=raw, written=written)) as packer:
        packer.add("", "./" if _root_differs(upper, below) else "")
        packer.finish()


def _root_differs(upper: str, below: Sequence[str]) -> bool:
    new, old = os.stat(upper), os.stat(below[0]) if below else None
    mine = (new.st_mode & 0o7777, new.st_uid, new.st_gid)
    return mine != ((old.st_mode & 0o7777, old.st_uid, old.st_gid) if old else (0o755, 0, 0))


def clamp_times(root: str, latest: int) -> None:
    """Nothing below `root` is newer than `latest` (seconds since the epoch). Raises OSError. Blocking."""
    limit = latest * 10**9
    todo = [root]
    while todo:
        here = todo.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                there = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                if there.st_mtime_ns > limit:
                    os.utime(entry.path, ns=(min(there.st_atime_ns, limit), limit), follow_symlinks=False)
