"""Attributes: the extended attributes that are copied, and count: capabilities, ACLs, the user's own."""

from __future__ import annotations

import errno
import os

# They change how the kernel reads a layer, or belong to this host's policy.
_FOREIGN = ("trusted.overlay.", "user.overlay.", "security.selinux", "security.ima", "security.evm")
_GONE = (errno.EOPNOTSUPP, errno.ENODATA, errno.EPERM, errno.EACCES)


def place_of(directory: int, name: str) -> str:
    """Pure: a path of `name` in an open directory; of itself if it is a link."""
    return f"/proc/self/fd/{directory}/{name}"


def read_attributes(place: int | str) -> dict[str, bytes]:
    """Those of an open file, or of what is at a path: itself if it is a link."""
    follow = isinstance(place, int)
    try:
        names = os.listxattr(place, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _GONE:
            return {}
        raise
    found = {}
    for key in names:
        if not key.startswith(_FOREIGN):
            try:
                found[key] = os.getxattr(place, key, follow_symlinks=follow)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
    return found


def write_attributes(place: int | str, attributes: dict[str, bytes]) -> None:
    """What the target's file system refuses is left out, as BuildKit does."""
    for key, value in attributes.items():
        try:
            os.setxattr(place, key, value, follow_symlinks=isinstance(place, int))
        except OSError as error:
            if error.errno not in _GONE:
                raise
