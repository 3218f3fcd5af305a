"""Ingest: a blob on its way into the content store, appended to a scratch file and hashed as it comes.

A named one is kept when it is closed, or when the process is killed, and goes on where it stopped::

    with content.ingest("pull-sha256:0a1b…") as scratch:
        ask_for_bytes_from(scratch.offset)
        scratch.write(chunk)
        scratch.commit("sha256:0a1b…")
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable
from typing import Final

from corral.errors import Conflict, InvalidInput, from_oserror
from corral.images.references import check_digest
from corral.kit.durable import sync_directory

PIECE: Final = 1 << 20  # bytes read at once when a file is hashed again


class Ingest:
    """One scratch file, at `path`, open as `fd` (see `take`). Blocking, for one thread at a time. Made by
    `Content.ingest`.

    `place` tells where the blob of a digest belongs; `placed` is called with the digest once it is there.
    """

    def __init__(
        self, path: str, fd: int, place: Callable[[str], str], placed: Callable[[str], None], *,
        named: bool, algorithm: str,
    ) -> None:  # fmt: skip
        self.path, self._fd, self._place, self._placed, self._named = path, fd, place, placed, named
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        try:
            self.offset = _hash_into(self._hash, fd)
        except OSError as error:
            self._close_file()
            raise from_oserror(f"read {path}", error) from error

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes | memoryview) -> None:
        """Appends. NoSpace or HostError; then nothing of `data` was taken."""
        rest = memoryview(data)
        at = self.offset
        try:
            while rest:
                written = os.pwrite(self._fd, rest, at)
                at, rest = at + written, rest[written:]
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.offset)
            raise from_oserror("store a blob", error) from error
        self._hash.update(data)
        self.offset = at

    def truncate(self, size: int = 0) -> None:
        """Forgets what lies behind the first `size` bytes: the other side cannot go on where we are."""
        try:
            os.ftruncate(self._fd, size)
            self._hash = hashlib.new(self._algorithm)
            self.offset = _hash_into(self._hash, self._fd)
        except OSError as error:
            raise from_oserror(f"truncate {self.path}", error) from error

    def digest(self) -> str:
        """Of what was written so far."""
        return self._digest("")

    def verify(self, digest: str) -> None:
        """Compares what was written, for who reads it from `path` and wants no blob. InvalidInput, and it is gone."""
        found = self._digest(digest)
        if found != digest:
            self.cancel()
            raise InvalidInput(f"the content has the digest {found}, not {digest} as promised")

    def commit(self, digest: str = "") -> str:
        """Makes the bytes a durable blob; its digest. The ingest is over then.

        With a `digest` they must have it: InvalidInput if not, and they are gone. NoSpace or HostError if the disk
        fails; then they are still there.
        """
        if digest:
            self.verify(digest)
        found = digest or self._digest("")
        place = self._place(found)
        try:
            if os.path.exists(place):
                os.unlink(self.path)
            else:
                os.fsync(self._fd)
                os.rename(self.path, place)
                sync_directory(os.path.dirname(place))
        except OSError as error:
            raise from_oserror(f"store the blob {found}", error) from error
        self._close_file()
        self._placed(found)
        return found

    def _digest(self, wanted: str) -> str:
        """Of what was written, by the algorithm of `wanted` (read once more if that is not the one we hash with)."""
        algorithm = check_digest(wanted).partition(":")[0] if wanted else self._algorithm
        if algorithm == self._algorithm:
            return f"{algorithm}:{self._hash.hexdigest()}"
        other = hashlib.new(algorithm)
        try:
            _hash_into(other, self._fd)
        except OSError as error:
            raise from_oserror(f"read {self.path}", error) from error
        return f"{algorithm}:{other.hexdigest()}"

    def close(self) -> None:
        """Ends it without a blob: a named one may be opened again, another is gone. Done already is fine."""
        if self._fd >= 0 and not self._named:
            self.cancel()
        self._close_file()

    def cancel(self) -> None:
        """Ends it and removes what was written. Done already is fine."""
        if self._fd >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            self._close_file()

    def _close_file(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def take(path: str) -> int:
    """Opens a scratch file, new or not, for us alone. Conflict if another has it, or has just made a blob of it;
    HostError."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_oserror(f"open {path}", error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(fd), os.stat(path)):
            raise BlockingIOError
    except OSError as error:
        os.close(fd)
        if isinstance(error, BlockingIOError | FileNotFoundError):
            raise Conflict(f"{os.path.basename(path)} is being written by another transfer") from None
        raise from_oserror(f"lock {path}", error) from error
    return fd


def discard(path: str, before: float) -> int | None:
    """Removes what a named ingest left at `path`, unless it is open or was written to since `before` (seconds since
    1970): its bytes. A file of somebody else's stays. OSError."""
    try:
        found = os.lstat(path)
        if found.st_mtime >= before or not stat.S_ISREG(found.st_mode):
            return None
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whoever opens it from here on finds it locked, or gone
        found = os.fstat(fd)
        if found.st_mtime >= before or not os.path.samestat(found, os.lstat(path)):
            return None
        os.unlink(path)
        return found.st_size
    except (BlockingIOError, FileNotFoundError):  # it goes on, or has become a blob
        return None
    finally:
        os.close(fd)


def _hash_into(hasher: hashlib._Hash, fd: int) -> int:
    """All of a file into a hash; its size. Large files in pieces."""
    at = 0
    while data := os.pread(fd, PIECE, at):
        hasher.update(data)
        at += len(data)
    return at
