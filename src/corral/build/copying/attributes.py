"""Attributes: the extended attributes that are copied, and count: capabilities, ACLs, the user's own."""

from __future__ import annotations

import errno
import os

# They change how the kernel reads a layer, or belong to this host's policy.
_FOREIGN = ("trusted.overlay.", "user.overlay.", "security.selinux", "security.ima", "security.evm")
_GONE = (errno.EOPNOTSUPP, errno.ENODATA, errno.EPERM, errno.EACCES)


def read_attributes(directory: int, name: str) -> dict[str, bytes]:
    """Those of `name` in a directory, itself if it is a link."""
    place = f"/proc/self/fd/{directory}/{name}"
    try:
        names = os.listxattr(place, follow_symlinks=False)
    except OSError as error:
        if error.errno in _GONE:
            return {}
        raise
    found = {}
    for key in names:
        if not key.startswith(_FOREIGN):
            try:
                found[key] = os.getxattr(place, key, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
    return found


def write_attributes(directory: int, name: str, attributes: dict[str, bytes]) -> None:
    """What the target's file system refuses is left out, as BuildKit does."""
    for key, value in attributes.items():
        try:
            os.setxattr(f"/proc/self/fd/{directory}/{name}", key, value, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _GONE:
                raise
