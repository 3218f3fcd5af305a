"""Filling a new volume with what the image has in its place. Blocking functions."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack

from corral.errors import InvalidInput, NotFound, from_oserror
from corral.linux.rooted import open_in_root
from corral.volumes import disk
from corral.volumes.attach import open_part
from corral.volumes.copy import copy_tree


def fill_from(rootfs: str, target: str, mountpoint: str, *, aside: bool) -> None:
    """Copies the directory `target` of `rootfs`, if there is one, into an empty volume.

    NoSpace or HostError; InvalidInput where a file is in its place.

    `aside`: copy beside it and put that in place with one rename; for volumes that nobody has in use.
    """
    try:
        if not disk.is_empty(mountpoint):
            return
        source = _source(rootfs, target)
        if source is None:
            return
        try:
            (_fill_aside if aside else _fill)(source, mountpoint)
        finally:
            os.close(source)
    except OSError as error:
        raise from_oserror(f"copy {target} of the image into volume {mountpoint}", error) from error


def fill_part(rootfs: str, target: str, mountpoint: str, subpath: str) -> None:
    """The same for a directory in a volume. A part that is no directory stays as it is, also one that is not there:
    only the start needs it."""
    try:
        with ExitStack() as held:
            source = _source(rootfs, target, strict=False)
            if source is None:
                return
            held.callback(os.close, source)
            part = open_part(mountpoint, subpath)
            held.callback(os.close, part)
            place = f"/proc/self/fd/{part}"
            if stat.S_ISDIR(os.fstat(part).st_mode) and disk.is_empty(place):
                _fill(source, place)
    except NotFound:
        return
    except OSError as error:
        raise from_oserror(f"copy {target} of the image into {subpath} of volume {mountpoint}", error) from error


def _source(rootfs: str, target: str, *, strict: bool = True) -> int | None:
    """The image's directory in the volume's place, None where there is none. `strict`: a file is InvalidInput."""
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return open_in_root(root, target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno == errno.ENOENT or (error.errno == errno.ENOTDIR and not strict):
            return None
        if error.errno == errno.ENOTDIR:
            raise InvalidInput(f"cannot mount volume over existing file, file exists {target}") from None
        raise
    finally:
        os.close(root)


def _fill_aside(source: int, mountpoint: str) -> None:
    stage = os.path.join(os.path.dirname(mountpoint), disk.STAGE)
    disk.clear(stage)
    os.mkdir(stage, 0o700)
    try:
        _fill(source, stage)
        os.rename(stage, mountpoint)  # over the empty directory
    except BaseException:
        disk.clear(stage)
        raise
    disk.sync_directory(os.path.dirname(mountpoint))


def _fill(source: int, place: str) -> None:
    made = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        copy_tree(source, made)
    finally:
        os.close(made)
