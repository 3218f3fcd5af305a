"""Trees: directories inside a root by descriptor, and removing whole trees that strangers filled."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import OrderedDict

from corral.linux.rooted import open_in_root, open_root

_OPEN_DIRECTORIES = 64
_DEPTH = 64


class Tree:
    """Directories inside a root, opened once and kept: archives list their entries directory by directory."""

    def __init__(self, root: int | str) -> None:
        self.root = open_root(root)
        self._open: OrderedDict[str, int] = OrderedDict()
        self._forgotten: list[int] = []

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()
        self.forget()
        os.close(self.root)

    def directory(self, path: str) -> int:
        """A descriptor of the directory `path` ("" is the root); links on the way are followed inside the root.

        It stays open until 64 others were asked for since. OSError if it is missing or no directory.
        """
        if not path:
            return self.root
        fd = self._open.get(path)
        if fd is not None:
            self._open.move_to_end(path)
            return fd
        fd = open_in_root(self.root, path, os.O_PATH | os.O_DIRECTORY)
        self._open[path] = fd
        if len(self._open) > _OPEN_DIRECTORIES:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def real_path(self, path: str) -> str:
        """Where the directory `path` really is, relative to the root, once its links were followed."""
        root = os.readlink(f"/proc/self/fd/{self.root}")
        return os.readlink(f"/proc/self/fd/{self.directory(path)}")[len(root.rstrip("/")) :].lstrip("/")

    def forget(self) -> None:
        """Looks everything up anew from now on: something was moved or replaced.

        What was given out stays open until the next time, for whoever works with it just now.
        """
        while self._forgotten:
            os.close(self._forgotten.pop())
        self._forgotten = list(self._open.values())
        self._open.clear()


def remove_tree(path: str) -> None:
    """Removes a file or a whole directory; missing is fine. Does not follow links or recurse.

    A container can make directories nested deeper than any path or recursion limit: what is too deep is moved to
    the top first and removed there.
    """
    parent, name = os.path.split(path)
    try:
        fd = os.open(parent or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove_at(fd, name)
    finally:
        os.close(fd)


def remove_at(parent: int, name: str) -> None:
    """The same, for `name` in the directory `parent`."""
    if _removed(parent, name):
        return
    top = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        while _empty(top, top, 0):
            pass
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _removed(parent: int, name: str) -> bool:
    """Tries the two cheap ways; False if it is a directory with something in it."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        with contextlib.suppress(FileNotFoundError):
            return _removed_directory(parent, name)
    return True


def _removed_directory(parent: int, name: str) -> bool:
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _empty(directory: int, top: int, depth: int) -> bool:
    """Removes all that is in a directory; True if something was moved to the top and remains there."""
    moved = False
    with os.scandir(directory) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in listed:
        if not is_directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            continue
        if _removed_directory(directory, name):
            continue
        if depth >= _DEPTH:
            os.rename(name, f".deep-{os.urandom(8).hex()}", src_dir_fd=directory, dst_dir_fd=top)
            moved = True
            continue
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            moved |= _empty(fd, top, depth + 1)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=directory)
    return moved


def link_tree(source: str, target: str) -> None:
    """A second tree of the same files: directories are made anew, with all that they have; the files in them are hard
    links, so they must not be changed in place. `target` is not there yet. Raises OSError. Blocking.
    """
    _copy_directory(source, target)
    todo, made = [(source, target)], [(source, target)]
    while todo:
        here, there = todo.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                path = f"{there}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    _copy_directory(entry.path, path)
                    todo.append((entry.path, path))
                    made.append((entry.path, path))
                else:
                    os.link(entry.path, path, follow_symlinks=False)
    for here, there in made:  # making things in them changed their times
        old = os.stat(here)
        os.utime(there, ns=(old.st_atime_ns, old.st_mtime_ns))


def _copy_directory(source: str, target: str) -> None:
    old = os.stat(source)
    os.mkdir(target)
    os.chown(target, old.st_uid, old.st_gid)
    os.chmod(target, old.st_mode & 0o7777)
    for key in os.listxattr(source):
        os.setxattr(target, key, os.getxattr(source, key))
