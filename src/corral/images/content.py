"""Content: a directory of blobs, each named by its digest. Images, the registry and running transfers share it.

A blob is written beside its place, checked, synced and renamed: it is there completely or not at all, also after a
crash. Who needs a blob says so: as a *holder*, asked for all digests it needs now, or with a *pin*, for as long as a
piece of work lasts. `collect` deletes what nobody needs::

    work pins D ──> commits D ──> records what names D ──> unpins D
                                  └── from here on a holder names D
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from corral.errors import HostError, InvalidInput, NoSpace, NotFound, from_oserror
from corral.images import digests
from corral.images.ingest import Ingest, discard, take
from corral.images.references import check_digest
from corral.linux.tree import remove_tree

ALGORITHMS: Final = ("sha256", "sha384", "sha512")
KEPT: Final = 7 * 86400.0  # seconds that a named ingest waits for its next part
PULLS: Final = ("pull-", "keep-")  # how the names of the ingests of pulls begin
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+=-]{0,199}")


class Content:
    """The blobs under `root`/blobs/ALGORITHM/HEX. Blocking; calls with large blobs are meant for threads.

    Opening it removes what a crash left half-written in `root`/ingest, but in `root`/resume only what is older than a
    week, as `collect` does later. It deletes no blob before `collect` is called, which is when all holders are
    registered.
    """

    def __init__(self, root: str) -> None:
        self._blobs, self._ingest, self._resume = f"{root}/blobs", f"{root}/ingest", f"{root}/resume"
        self.holders: list[Callable[[], Iterable[str]]] = []  # called in the thread that collects; each a snapshot
        self._lock = threading.Lock()
        self._naming = threading.Lock()  # for the moment in which an ingest is taken, or forgotten
        self._pins: Counter[str] = Counter()
        self._collecting = 0
        self._spared: set[str] = set()  # pinned or stored since the running collections began
        remove_tree(self._ingest)
        for algorithm in ALGORITHMS:
            os.makedirs(f"{self._blobs}/{algorithm}", exist_ok=True)
        os.makedirs(self._ingest)
        os.makedirs(self._resume, exist_ok=True)
        self.forget_unfinished(time.time() - KEPT)

    # Asking.

    def path(self, digest: str) -> str:
        """Where the blob is, or would be. InvalidInput if `digest` is none."""
        algorithm, _, value = check_digest(digest).partition(":")
        return f"{self._blobs}/{algorithm}/{value}"

    def has(self, digest: str) -> bool:
        return os.path.exists(self.path(digest))

    def size(self, digest: str) -> int:
        """In bytes. NotFound."""
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError:
            raise NotFound(f"blob {digest} is not in the store") from None

    def read(self, digest: str) -> bytes:
        """A small blob, checked. NotFound; HostError if the disk gave something else back."""
        try:
            with open(self.path(digest), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            raise NotFound(f"blob {digest} is not in the store") from None
        algorithm = digest.partition(":")[0]
        found = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
        if found != digest:
            raise HostError(f"blob {digest} is damaged on disk: its content has the digest {found}")
        return data

    def digests(self) -> list[str]:
        """All that is stored."""
        return [f"{algorithm}:{name}" for algorithm in ALGORITHMS for name in os.listdir(f"{self._blobs}/{algorithm}")]

    def need_room(self, digest: str, size: int) -> None:
        """NoSpace if a blob that somebody says is `size` bytes long is not here, and cannot be."""
        disk = os.statvfs(self._blobs)
        free = disk.f_bavail * disk.f_frsize
        if size > free and not self.has(digest):
            raise NoSpace(f"no room for the blob {digest}: it has {size} bytes, {free} are free", errno.ENOSPC)

    # Storing.

    def put(self, data: bytes) -> str:
        """Stores a small blob durably; its digest. NoSpace or HostError if that fails, and nothing is left."""
        digest = digests.of(data)
        if self.has(digest):
            self._placed(digest)
            return digest
        with self.ingest() as scratch:
            scratch.write(data)
            return scratch.commit(digest)

    def ingest(self, name: str = "", algorithm: str = "sha256") -> Ingest:
        """A scratch file for a blob. One with a name goes on where the last one of that name stopped, which reads and
        hashes what is there; it is in the way of a second one (Conflict) until it is closed.

        `algorithm` is what is hashed with while writing; a commit to another's digest reads the bytes again.
        NoSpace, HostError; InvalidInput for a name that is none.
        """
        if name and not _NAME.fullmatch(name):
            raise InvalidInput(f"not a name for a transfer: {name!r}")
        path = f"{self._resume}/{name}" if name else f"{self._ingest}/{os.urandom(8).hex()}"
        with self._naming:
            fd = take(path)
        return Ingest(path, fd, self.path, self._placed, named=bool(name), algorithm=algorithm)

    def unfinished(self) -> list[str]:
        """The names of the transfers that can be gone on with, or are under way."""
        return os.listdir(self._resume)

    def unfinished_size(self, *kinds: str) -> int:
        """The bytes of those whose names begin with one of `kinds`."""
        return sum(_size(f"{self._resume}/{name}") for name in self.unfinished() if name.startswith(kinds))

    def forget_unfinished(self, before: float, *kinds: str) -> dict[str, int]:
        """Removes those that nobody has open or has written to since `before` (seconds since 1970); the names and sizes
        of what went. With `kinds` only the ones whose names begin so. HostError."""
        gone: dict[str, int] = {}
        for name in self.unfinished():
            if name.startswith(kinds or ""):
                try:
                    with self._naming:
                        size = discard(f"{self._resume}/{name}", before)
                except OSError as error:
                    raise from_oserror(f"forget the unfinished transfer {self._resume}/{name}", error) from error
                if size is not None:
                    gone[name] = size
        return gone

    # Keeping and deleting.

    @contextlib.contextmanager
    def pinned(self, *wanted: str) -> Iterator[None]:
        """Keeps blobs, also ones that are yet to come, from collection while it is open."""
        with self._lock:
            self._pins.update(wanted)
            self._spare(wanted)
        try:
            yield
        finally:
            with self._lock:
                self._spare(wanted)  # a collection may have asked the holders before there was one
                self._pins.subtract(wanted)
                for digest in wanted:
                    if self._pins[digest] <= 0:
                        del self._pins[digest]

    def delete(self, digest: str) -> None:
        """Whoever needs it. Missing is fine."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(digest))

    def collect(self, among: Iterable[str] | None = None) -> tuple[int, int]:
        """Deletes the blobs that no holder names and nothing pins, and what is left of transfers that nobody has gone
        on with for a week; how many, and their bytes.

        `among`: only these blobs are looked at. What is pinned or stored while it works stays.
        """
        old = self.forget_unfinished(time.time() - KEPT) if among is None else {}
        with self._lock:
            self._collecting += 1
        try:
            # In this order: a blob that is in the list and gets its first holder later was pinned in between.
            stored = [digest for digest in among if self.has(digest)] if among is not None else self.digests()
            needed = {digest for holder in self.holders for digest in holder()}
            sizes = [self._collect(digest) for digest in stored if digest not in needed]
        finally:
            with self._lock:
                self._collecting -= 1
                if not self._collecting:
                    self._spared.clear()
        freed = [size for size in sizes if size is not None]
        return len(freed) + len(old), sum(freed) + sum(old.values())

    def _collect(self, digest: str) -> int | None:
        """Deletes one, unless somebody took it up meanwhile: its size."""
        with self._lock:
            if digest in self._pins or digest in self._spared:
                return None
            try:
                path = self.path(digest)
                size = os.stat(path).st_size
                os.unlink(path)
            except (FileNotFoundError, InvalidInput):  # gone already, or a file that somebody else put there
                return None
            except OSError as error:
                raise from_oserror(f"delete the blob {digest}", error) from error
            return size

    def _placed(self, digest: str) -> None:
        """A blob was stored, or found to be stored already."""
        with self._lock:
            self._spare((digest,))

    def _spare(self, wanted: Iterable[str]) -> None:
        if self._collecting:
            self._spared.update(wanted)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:  # it has become a blob meanwhile
        return 0
