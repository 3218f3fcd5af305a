"""SELinux: which label the files of a bind mount or volume get, and giving it to them.

Containers have no label of their own here, so they may read whatever the daemon may; what `z` and `Z` change is what
confined programs, other engines' containers among them, may do with the files. Blocking.
"""

from __future__ import annotations

import errno
import os
from hashlib import sha256

from corral.errors import InvalidInput, from_oserror

ATTRIBUTE = "security.selinux"
# Files and directories whose labels the host itself lives by.
_SYSTEM = {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/opt", "/proc", "/root", "/run"}
_SYSTEM |= {"/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log"}
_SYSTEM |= {"/etc/passwd", "/etc/pki", "/etc/shadow"}


def plan_label(mode: str, id: str) -> str:
    """Pure: what the options of a mount ask for: `z`: all containers share the files, `Z`: they are this one's alone;
    "" leaves them as they are.

    >>> plan_label("ro,z", "c0ffee")
    'system_u:object_r:container_file_t:s0'
    >>> plan_label("Z", "c0ffee")
    'system_u:object_r:container_file_t:s0:c72,c576'
    >>> plan_label("ro", "c0ffee")
    ''
    """
    words = mode.split(",")
    if "z" not in words and "Z" not in words:
        return ""
    label = "system_u:object_r:container_file_t:s0"
    if "z" in words:
        return label
    first, second = sorted(_categories(id))
    return f"{label}:c{first},c{second}"


def _categories(id: str) -> tuple[int, int]:
    """Two different ones of the 1024 that there are."""
    number = int.from_bytes(sha256(id.encode()).digest()[:8], "big")
    first = number % 1024
    return first, (first + 1 + number // 1024 % 1023) % 1024


def relabel(path: str, label: str) -> None:
    """Labels `path` and all below it; nothing to do where it has the label. InvalidInput, in Docker's words, for
    the host's own files.
    """
    if os.path.realpath(path) in _SYSTEM:
        refusal = f"SELinux relabeling of {path} is not allowed"
        raise InvalidInput(f"error setting label on mount source '{path}': {refusal}; mount a directory below it")
    value = label.encode() + b"\0"
    try:
        if _label(path) == value:
            return
        for directory, directories, files in os.walk(path):
            for name in (*directories, *files):
                _set(os.path.join(directory, name), value)
        _set(path, value)  # at last: it says that all is done
    except OSError as error:
        raise from_oserror(f"error setting label on mount source '{path}'", error) from error


def _label(path: str) -> bytes:
    try:
        return os.getxattr(path, ATTRIBUTE, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return b""
        raise


def _set(path: str, value: bytes) -> None:
    """What has gone meanwhile, and file systems that have one label for all, are left alone."""
    try:
        os.setxattr(path, ATTRIBUTE, value, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP, errno.EROFS):
            raise
