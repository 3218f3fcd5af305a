"""Id maps: which user and group ids of a user namespace are which of the host's.

A mount may carry one too (Linux 5.12; below an overlay 5.19): the files on disk keep the ids that the namespace
knows, and whoever comes through the mount finds the host's ids for them. So one tree serves both sides.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from corral.errors import HostError, InvalidInput, Unsupported, from_oserror
from corral.linux import libc
from corral.linux.namespaces import in_thread

T = TypeVar("T")
OVERFLOW = 65534  # what the kernel shows for an id that a namespace does not have


class IdMap(NamedTuple):
    """`size` ids from `inside` on are those from `outside` on."""

    inside: int
    outside: int
    size: int


@dataclass(frozen=True)
class IdMaps:
    """Those of users and of groups."""

    uids: tuple[IdMap, ...]
    gids: tuple[IdMap, ...]

    @property
    def root(self) -> tuple[int, int]:
        """The host's uid and gid of the namespace's root."""
        return self.outside(0, 0)

    def outside(self, uid: int, gid: int) -> tuple[int, int]:
        """The host's ids. InvalidInput, in Docker's words, for one that the namespace does not have.

        >>> IdMaps((IdMap(0, 100000, 65536),), (IdMap(0, 200000, 65536),)).outside(7, 0)
        (100007, 200000)
        """
        return _outside(self.uids, uid), _outside(self.gids, gid)

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """As the namespace sees the host's ids: those that it does not have are nobody's.

        >>> IdMaps((IdMap(0, 100000, 65536),), (IdMap(0, 100000, 65536),)).inside(100007, 0)
        (7, 65534)
        """
        return _inside(self.uids, uid), _inside(self.gids, gid)


def _outside(maps: Sequence[IdMap], id: int) -> int:
    for entry in maps:
        if entry.inside <= id < entry.inside + entry.size:
            return entry.outside + id - entry.inside
    raise InvalidInput(f"Container ID {id} cannot be mapped to a host ID")


def _inside(maps: Sequence[IdMap], id: int) -> int:
    for entry in maps:
        if entry.outside <= id < entry.outside + entry.size:
            return entry.inside + id - entry.outside
    return OVERFLOW


def map_text(maps: Sequence[IdMap]) -> str:
    """Pure: as /proc/PID/uid_map takes it.

    >>> map_text([IdMap(0, 100000, 10), IdMap(10, 300000, 90)])
    '0 100000 10\\n10 300000 90\\n'
    """
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in maps)


# File capabilities say whose root may use them: version 2 the host's, version 3 that of the uid at their end.
_V2, _V3 = struct.Struct("<I16x"), struct.Struct("<I16xI")
_V2_MAGIC, _V3_MAGIC, _FLAGS = 0x02000000, 0x03000000, 0xFF
CAPABILITY = "security.capability"


def capability_outside(value: bytes, maps: IdMaps) -> bytes:
    """Pure: a file's capabilities as the host must write them, so that the namespace's root has them.

    >>> maps = IdMaps((IdMap(0, 100000, 65536),), ())
    >>> capability_outside(bytes.fromhex("0100000200200000") + bytes(12), maps)[-4:].hex()
    'a0860100'
    """
    if len(value) != _V2.size or _V2.unpack(value)[0] & ~_FLAGS != _V2_MAGIC:
        return value
    flags = _V2.unpack(value)[0] & _FLAGS
    return struct.pack("<I", _V3_MAGIC | flags) + value[4:] + struct.pack("<I", _outside(maps.uids, 0))


def capability_inside(value: bytes, maps: IdMaps) -> bytes:
    """Pure: the other way round.

    >>> maps = IdMaps((IdMap(0, 100000, 65536),), ())
    >>> value = bytes.fromhex("0100000200200000") + bytes(12)
    >>> capability_inside(capability_outside(value, maps), maps) == value
    True
    """
    if len(value) != _V3.size:
        return value
    magic, owner = _V3.unpack(value)
    inside = _inside(maps.uids, owner)
    if inside:
        return value[:20] + struct.pack("<I", inside)
    return struct.pack("<I", _V2_MAGIC | magic & _FLAGS) + value[4:20]


# User namespaces

# A process with more than one thread cannot make one for itself, so a child does, and waits to be told to end.
_NEWUSER = 0x10000000
_CHILD = """import ctypes, os, sys
code = 0 if ctypes.CDLL(None, use_errno=True).unshare(int(sys.argv[1])) == 0 else ctypes.get_errno()
os.write(1, bytes([code]))
os.read(0, 1)
"""


def new_user_namespace(maps: IdMaps) -> int:
    """A descriptor of a new user namespace with these maps; the caller closes it. HostError. About 20 ms."""
    with unshared(maps) as pid:
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def unshared(maps: IdMaps, flags: int = 0) -> Iterator[int]:
    """A process in a new user namespace with these maps, for the while; those that `flags` name are that one's own.

    HostError."""
    command = [sys.executable, "-I", "-S", "-c", _CHILD, str(_NEWUSER | flags)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        answer = child.stdout.read(1)
        if answer != b"\0":
            code = answer[0] if answer else errno.EIO
            raise from_oserror("create user namespace", OSError(code, os.strerror(code)))
        for name, part in (("uid_map", maps.uids), ("gid_map", maps.gids)):
            _write(f"/proc/{child.pid}/{name}", map_text(part))
        yield child.pid


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())  # the kernel takes it in one piece only
    except OSError as error:
        raise from_oserror(f"map ids {text.strip()!r}", error) from error
    finally:
        os.close(fd)


# Mounts with a map, and other attributes

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on every 64-bit architecture
_AT_FDCWD, _AT_EMPTY_PATH, _MOVE_EMPTY_PATH = -100, 0x1000, 4
_CLONE, _CLOEXEC = 1, 0o2000000
_ATTR_RDONLY, _ATTR_IDMAP, _MS_PRIVATE = 1, 0x100000, 1 << 18
_ATTRIBUTES = struct.Struct("QQQQ")  # to set, to clear, propagation, user namespace


def bind_mapped(source: str, target: str, namespace: int) -> None:
    """Shows the directory `source`, without what is mounted below it, at `target` with a user namespace's map.

    Unsupported where the kernel or the file system has no such mounts. HostError.
    """
    action = f"mount {source} on {target} with an id map"
    tree = libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(source), _CLONE | _CLOEXEC)
    if tree < 0:
        raise libc.failure(action)
    try:
        attributes = _ATTRIBUTES.pack(_ATTR_IDMAP, 0, _MS_PRIVATE, namespace)
        if libc.syscall(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, len(attributes)) != 0:
            if libc.last_error() in (errno.EINVAL, errno.ENOSYS):
                raise Unsupported(f"{action}: the file system of {source} takes no id-mapped mounts on this kernel")
            raise libc.failure(action)
        if libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_EMPTY_PATH) != 0:
            raise libc.failure(action)
    finally:
        os.close(tree)


def read_only_view(source: str) -> int:
    """A descriptor of the file `source` on a read-only mount that is nowhere: through /proc/PID/fd it is opened as
    ever, and nobody can change whose it is. The caller closes it. Linux 5.12. HostError."""
    action = f"mount {source} read-only"
    tree = libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(source), _CLONE | _CLOEXEC)
    if tree < 0:
        raise libc.failure(action)
    attributes = _ATTRIBUTES.pack(_ATTR_RDONLY, 0, 0, 0)
    if libc.syscall(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, len(attributes)) != 0:
        error = libc.failure(action)
        os.close(tree)
        raise error
    return int(tree)


# Acting on files with another's ids

_HEADER = struct.pack("Ii", 0x20080522, 0)  # version 3, the calling thread


def with_ids(uid: int, gid: int, work: Callable[[], T]) -> T:
    """Runs `work` in a thread of its own whose new files belong to these ids, with all of the caller's powers.

    Where ids are mapped, the host's root is nobody: what it makes there would have no owner, and is refused.
    """

    def become_and_work() -> T:
        state = ctypes.create_string_buffer(24)
        if libc.capget(_HEADER, state) != 0:
            raise libc.failure("read capabilities")
        libc.setfsgid(gid)
        libc.setfsuid(uid)  # this drops those that are about files
        if libc.setfsuid(-1) & 0xFFFFFFFF != uid or libc.setfsgid(-1) & 0xFFFFFFFF != gid:
            raise HostError(f"act as {uid}:{gid}: operation not permitted", errno.EPERM)
        if libc.capset(_HEADER, state) != 0:
            raise libc.failure("keep capabilities")
        return work()

    return in_thread(become_and_work)
