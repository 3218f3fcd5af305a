"""Unpack: write the entries of an archive into a directory, whatever the archive tries.

Every path is resolved inside the root (`rooted`), the last component is never followed, files are made with O_EXCL,
and what stood there before is removed. Modes and times of directories are set at the end: until then they are
0700 and change their times. See `archive` for the options.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from corral.errors import CorralError, InvalidInput, from_oserror
from corral.linux.filling import write_dense, write_sparse
from corral.linux.idmap import CAPABILITY, IdMaps, capability_outside
from corral.linux.tar.entry import BadTar, Entry, Limits
from corral.linux.tar.reader import TarReader
from corral.linux.tree import Tree, remove_at

T = TypeVar("T")
WHITEOUT, OPAQUE_MARK = ".wh.", ".wh..wh..opq"
OPAQUE = "trusted.overlay.opaque"
_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_BAD_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EEXIST, errno.EISDIR, errno.EINVAL)
# Attributes that would change how the kernel or this engine reads the layer itself, or belong to the host's policy.
_FOREIGN_XATTRS = ("trusted.overlay.", "user.overlay.", "security.selinux")


def _remove(parent: int, name: str, path: str) -> None:
    remove_at(parent, name)


def _nothing(path: str, entry: Entry) -> None:
    pass


@dataclass(frozen=True)
class UnpackOptions:
    """`overlay`: `.wh.` entries become overlayfs' whiteouts and opaque directories.
    `keep_kinds`: refuse to replace a directory by something else, or something else by a directory; the message
    names `destination`.
    `owner`: (uid, gid) for everything, instead of the archive's. `ids`: both are this namespace's, and files get the
    host's. `root_entry`: let "./" change the root directory.
    `implied(path)`: attributes for a directory that the archive uses without listing it; None: 0755, root's.
    `displace(parent_fd, name, path)`: what to do with something that an entry replaces.
    `written(path, entry)`: told after each regular file, with its real path in the root.
    """

    overlay: bool = False
    keep_kinds: bool = False
    destination: str = ""
    owner: tuple[int, int] | None = None
    ids: IdMaps | None = None
    root_entry: bool = True
    limits: Limits = field(default_factory=Limits)
    implied: Callable[[str], Entry | None] = lambda path: None
    displace: Callable[[int, str, str], None] = _remove
    written: Callable[[str, Entry], None] = _nothing


@dataclass
class Unpacked:
    """How much it was: bytes of regular files, and entries. `skipped` names attributes the file system refused;
    `root_listed`: the archive says how the root directory itself looks."""

    size: int = 0
    entries: int = 0
    root_listed: bool = False
    skipped: list[str] = field(default_factory=list)


def clean_name(name: str, what: str = "entry name") -> str:
    """Pure: a name relative to the root, "" for the root itself. InvalidInput if it leaves the root.

    >>> clean_name("./a//b/../c/"), clean_name("/etc/passwd"), clean_name("./")
    ('a/c', 'etc/passwd', '')
    """
    path = posixpath.normpath(name.lstrip("/") or ".")
    if path == ".." or path.startswith("../") or "\0" in path:
        raise InvalidInput(f"archive breaks out of its directory: invalid {what} {name!r}")
    return "" if path == "." else path


class Unpacker:
    """One archive being written into one root. `run` raises BadTar, InvalidInput, NoSpace or HostError."""

    def __init__(self, tree: Tree, options: UnpackOptions) -> None:
        self._tree = tree
        self._options = options
        self._result = Unpacked()
        self._directories: dict[str, tuple[int, int | None]] = {}  # path: mode and mtime, for the end

    def run(self, reader: TarReader) -> Unpacked:
        for entry in reader:
            try:
                self._entry(entry, reader)
            except OSError as error:
                raise _failure(entry, error) from error
            except (ValueError, OverflowError) as error:  # NUL in a name, numbers that no kernel takes
                raise InvalidInput(f"archive entry {entry.name!r}: {error}") from error
            self._result.entries += 1
        self._finish_directories()
        return self._result

    def _entry(self, entry: Entry, reader: TarReader) -> None:
        path = clean_name(entry.name)
        parent_path, _, base = path.rpartition("/")
        if self._options.overlay and path.startswith(WHITEOUT + WHITEOUT) and path != OPAQUE_MARK:
            return  # another storage driver's bookkeeping
        if not path:
            self._root(entry)
            return
        parent = self._parent(parent_path)
        if self._options.overlay and base.startswith(WHITEOUT):
            self._whiteout(parent, base, path)
        elif entry.kind == "file":
            self._file(parent, base, parent_path, entry, reader)
        elif entry.kind == "dir":
            self._directory(parent, base, path, entry)
        elif entry.kind == "hardlink":
            self._hard_link(parent, base, parent_path, entry)
        else:
            self._special(parent, base, parent_path, entry)

    # Directories.

    def _parent(self, path: str) -> int:
        try:
            return self._tree.directory(path)
        except FileNotFoundError:
            return self._imply(path)

    def _imply(self, path: str) -> int:
        """Makes a directory that is used without being listed."""
        above, _, base = path.rpartition("/")
        like = self._options.implied(path) or Entry(path, "dir", mode=0o755)
        os.mkdir(base, 0o700, dir_fd=self._parent(above))
        self._dress_directory(path, like, mtime=like.mtime or None)
        return self._tree.directory(path)

    def _root(self, entry: Entry) -> None:
        if entry.kind != "dir":
            raise InvalidInput(f"archive breaks out of its directory: invalid entry name {entry.name!r}")
        if self._options.root_entry:
            self._result.root_listed = True
            self._dress_directory("", entry, entry.mtime)

    def _directory(self, parent: int, base: str, path: str, entry: Entry) -> None:
        whiteout = False
        try:
            os.mkdir(base, 0o700, dir_fd=parent)
        except FileExistsError:
            there = os.lstat(base, dir_fd=parent)
            if not stat.S_ISDIR(there.st_mode):
                whiteout = self._options.overlay and is_whiteout(there)
                self._make_room(parent, base, path.rpartition("/")[0], entry)
                os.mkdir(base, 0o700, dir_fd=parent)
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if whiteout:
                os.setxattr(fd, OPAQUE, b"y")
            self._own(fd, entry)
        finally:
            os.close(fd)
        self._directories[path] = (entry.mode, entry.mtime)

    def _dress_directory(self, path: str, entry: Entry, mtime: int | None) -> None:
        fd = self._tree.directory(path)
        opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
        try:
            self._own(opened, entry)
        finally:
            os.close(opened)
        self._directories[path] = (entry.mode, mtime)

    def _finish_directories(self) -> None:
        for path, (mode, mtime) in self._directories.items():
            above, _, base = path.rpartition("/")
            try:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                fd = os.open(base or ".", flags, dir_fd=self._tree.directory(above))
            except (FileNotFoundError, NotADirectoryError):
                continue  # a later entry took its place
            except OSError as error:
                raise from_oserror(f"set the mode of {path!r}", error) from error
            try:
                os.fchmod(fd, mode)
                if mtime is not None:
                    os.utime(fd, ns=(mtime, mtime))
            finally:
                os.close(fd)

    # Everything else.

    def _file(self, parent: int, base: str, parent_path: str, entry: Entry, reader: TarReader) -> None:
        fd = self._create(lambda: os.open(base, _NEW_FILE, 0o600, dir_fd=parent), parent, base, parent_path, entry)
        try:
            if entry.sparse is None:
                write_dense(fd, entry, reader)
            else:
                write_sparse(fd, entry, reader)
            self._own(fd, entry)
            os.fchmod(fd, entry.mode)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        except BaseException:
            os.unlink(base, dir_fd=parent)  # nothing half-written stays
            raise
        finally:
            os.close(fd)
        self._result.size += entry.size
        if self._options.written is not _nothing:
            real = self._tree.real_path(parent_path)
            self._options.written(f"{real}/{base}" if real else base, entry)

    def _hard_link(self, parent: int, base: str, parent_path: str, entry: Entry) -> None:
        target = clean_name(entry.link, "hard link target")
        above, _, name = target.rpartition("/")
        try:
            source = self._tree.directory(above)
            if stat.S_ISDIR(os.lstat(name or ".", dir_fd=source).st_mode):
                raise InvalidInput(f"archive entry {entry.name!r}: hard link to the directory {entry.link!r}")
        except OSError as error:
            raise InvalidInput(
                f"archive entry {entry.name!r}: invalid hard link target {entry.link!r}: {error.strerror}"
            ) from error

        def link() -> None:
            os.link(name, base, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)

        if (parent, base) == (source, name):
            return  # a link to itself changes nothing
        self._create(link, parent, base, parent_path, entry)

    def _special(self, parent: int, base: str, parent_path: str, entry: Entry) -> None:
        """Symbolic links, devices and FIFOs."""
        if entry.kind == "symlink" and not entry.link:
            raise InvalidInput(f"archive entry {entry.name!r}: a symbolic link without a target")

        def make() -> None:
            if entry.kind == "symlink":
                os.symlink(entry.link, base, dir_fd=parent)
            else:
                kind = {"char": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}[entry.kind]
                os.mknod(base, kind | 0o600, os.makedev(entry.major, entry.minor), dir_fd=parent)

        self._create(make, parent, base, parent_path, entry)
        place = f"/proc/self/fd/{parent}/{base}"
        uid, gid = self._owner(entry)
        os.chown(base, uid, gid, dir_fd=parent, follow_symlinks=False)
        if entry.kind != "symlink":
            self._chmod_special(parent, base, entry.mode)
        self._xattrs(place, entry)
        os.utime(base, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _chmod_special(self, parent: int, base: str, mode: int) -> None:
        """chmod(2) follows links, and a container may swap one in: so through a descriptor."""
        fd = os.open(base, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                os.chmod(f"/proc/self/fd/{fd}", mode)
        finally:
            os.close(fd)

    def _whiteout(self, parent: int, base: str, path: str) -> None:
        """Hides what lower layers have; what this layer itself has stays visible."""
        if base == OPAQUE_MARK:
            os.setxattr(f"/proc/self/fd/{parent}/.", OPAQUE, b"y")
            return
        hidden = base.removeprefix(WHITEOUT)
        if hidden in ("", ".", ".."):
            raise InvalidInput(f"archive breaks out of its directory: invalid entry name {path!r}")
        try:
            os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(hidden, dir_fd=parent).st_mode):
                os.setxattr(f"/proc/self/fd/{parent}/{hidden}", OPAQUE, b"y", follow_symlinks=False)

    # Making room, and attributes.

    def _create(self, make: Callable[[], T], parent: int, base: str, parent_path: str, entry: Entry) -> T:
        try:
            return make()
        except FileExistsError:
            self._make_room(parent, base, parent_path, entry)
            return make()

    def _make_room(self, parent: int, base: str, parent_path: str, entry: Entry) -> None:
        """Takes away what an entry replaces."""
        is_directory = stat.S_ISDIR(os.lstat(base, dir_fd=parent).st_mode)
        if self._options.keep_kinds and is_directory != (entry.kind == "dir"):
            old, new = ("directory", "non-directory") if is_directory else ("non-directory", "directory")
            name = clean_name(entry.name)
            raise InvalidInput(f'cannot overwrite {old} "{name}" with {new} "{self._options.destination or name}"')
        real = self._tree.real_path(parent_path)
        self._options.displace(parent, base, f"{real}/{base}" if real else base)
        if is_directory:
            self._tree.forget()

    def _owner(self, entry: Entry) -> tuple[int, int]:
        uid, gid = self._options.owner or (entry.uid, entry.gid)
        return (uid, gid) if self._options.ids is None else self._options.ids.outside(uid, gid)

    def _own(self, fd: int, entry: Entry) -> None:
        """Owner first: changing it clears capabilities and set-id bits."""
        uid, gid = self._owner(entry)
        os.fchown(fd, uid, gid)
        if entry.xattrs:
            self._xattrs(fd, entry)

    def _xattrs(self, place: int | str, entry: Entry) -> None:
        for key, value in entry.xattrs.items():
            if key.startswith(_FOREIGN_XATTRS):
                continue
            if key == CAPABILITY and self._options.ids is not None:
                value = capability_outside(value, self._options.ids)
            try:
                if isinstance(place, int):
                    os.setxattr(place, key, value)
                else:
                    os.setxattr(place, key, value, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EPERM):
                    raise
                self._result.skipped.append(f"{entry.name}: {key}")


def is_whiteout(there: os.stat_result) -> bool:
    """Is it overlayfs' mark for "deleted here": a character device 0:0?"""
    return stat.S_ISCHR(there.st_mode) and there.st_rdev == 0


def _failure(entry: Entry, error: OSError) -> CorralError:
    """The kernel's refusal as an error about the archive, or about this host."""
    if error.errno in _BAD_NAME:
        return InvalidInput(f"archive entry {entry.name!r}: {(error.strerror or str(error)).lower()}")
    return from_oserror(f"unpack {entry.name!r}", error)


__all__ = ["BadTar", "UnpackOptions", "Unpacked", "Unpacker", "clean_name", "is_whiteout"]
