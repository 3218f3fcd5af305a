"""Scaffold: a thin layer between an image and its containers, with the mount points every container needs.

The runtime would make missing ones in the container's own layer, and they would show up as changes, and be
committed. Made once for each image, of what the image itself does not have.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from corral.errors import from_oserror
from corral.images.union import Found, find
from corral.linux.tree import remove_tree

# "dir", "file", or where a link points to.
PLACES = {
    "dev/pts": "dir",
    "dev/shm": "dir",
    "proc": "dir",
    "sys": "dir",
    ".dockerenv": "file",
    "dev/console": "file",
    "etc/hostname": "file",
    "etc/hosts": "file",
    "etc/resolv.conf": "file",
    "etc/mtab": "/proc/mounts",
}


def make(place: str, layers: Sequence[str], places: Mapping[str, str] = PLACES) -> None:
    """Makes the directory `place` for these layers, the top first; if it is there already nothing happens."""
    if os.path.exists(place):
        return
    scratch = f"{place}.{os.urandom(4).hex()}"
    try:
        os.mkdir(scratch)
        dress_like_root(scratch, layers)
        for path, kind in places.items():
            _make(scratch, path, kind, layers)
        for path in sorted(_parents(places), reverse=True):  # making things in them changed their times
            _restore_time(f"{scratch}/{path}", find(layers, path))
        os.rename(scratch, place)
    except OSError as error:
        raise from_oserror(f"make the mount points in {place}", error) from error
    finally:
        remove_tree(scratch)


def _make(scratch: str, path: str, kind: str, layers: Sequence[str]) -> None:
    if find(layers, path) is not None:
        return
    above, _, _ = path.rpartition("/")
    if above and not _make_parent(scratch, above, layers):
        return
    place = f"{scratch}/{path}"
    if kind == "dir":
        os.mkdir(place)
        os.chmod(place, 0o755)
    elif kind == "file":
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o755))
        os.chmod(place, 0o755)
    else:
        os.symlink(kind, place)


def _make_parent(scratch: str, path: str, layers: Sequence[str]) -> bool:
    """A directory like the image's, so that the union looks unchanged; False if the image has no directory there."""
    old = find(layers, path)
    if old is not None and not old.is_dir:
        return False
    above = path.rpartition("/")[0]
    if above and not _make_parent(scratch, above, layers):
        return False
    place = f"{scratch}/{path}"
    if not os.path.isdir(place):
        os.mkdir(place)
        if old is None:
            os.chmod(place, 0o755)
        else:
            dress_like(place, old.path)
    return True


def _parents(places: Iterable[str]) -> set[str]:
    """Pure: the directories above these paths.

    >>> sorted(_parents(["dev/pts", "a/b/c"]))
    ['', 'a', 'a/b', 'dev']
    """
    parts = [path.split("/") for path in places]
    return {"/".join(names[:n]) for names in parts for n in range(len(names))}


def _restore_time(place: str, old: Found | None) -> None:
    if old is not None and os.path.isdir(place):
        os.utime(place, ns=(old.stat.st_atime_ns, old.stat.st_mtime_ns))


def dress_like(place: str, other: str) -> None:
    """Gives a directory the owner, mode, times and attributes of another."""
    there = os.lstat(other)
    os.chown(place, there.st_uid, there.st_gid)
    os.chmod(place, stat.S_IMODE(there.st_mode))
    for key in os.listxattr(other):
        if not key.startswith(("trusted.overlay.", "security.selinux")):
            os.setxattr(place, key, os.getxattr(other, key))
    os.utime(place, ns=(there.st_atime_ns, there.st_mtime_ns))


def dress_like_root(place: str, layers: Sequence[str]) -> None:
    """As the root of these layers; without any: 0755, root's."""
    if layers:
        dress_like(place, layers[0])
    else:
        os.chmod(place, 0o755)
