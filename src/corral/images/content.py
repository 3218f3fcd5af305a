"""Content: a directory of blobs, each named by its digest.

A blob is written beside its place, synced and renamed: it is there completely or not at all, also after a crash.
What a crash left half-written in `ingest` is removed when the store is opened.
"""

from __future__ import annotations

import contextlib
import os

from corral.errors import HostError, InvalidInput, NotFound, from_oserror
from corral.images import digests
from corral.images.references import check_digest
from corral.linux.tree import remove_tree


class Content:
    """The blobs under `root`/blobs/ALGORITHM/HEX. Every call is short and synchronous."""

    def __init__(self, root: str) -> None:
        self._blobs = f"{root}/blobs/sha256"
        self._ingest = f"{root}/ingest"
        remove_tree(self._ingest)
        os.makedirs(self._blobs, exist_ok=True)
        os.makedirs(self._ingest)

    def path(self, digest: str) -> str:
        """Where the blob is, or would be. InvalidInput if `digest` is none."""
        return f"{self._blobs}/{check_digest(digest).partition(':')[2]}"

    def has(self, digest: str) -> bool:
        return os.path.exists(self.path(digest))

    def put(self, data: bytes) -> str:
        """Stores a small blob durably; its digest. NoSpace or HostError if that fails, and nothing is left."""
        digest = digests.of(data)
        place = self.path(digest)
        if os.path.exists(place):
            return digest
        scratch = f"{self._ingest}/{os.urandom(8).hex()}"
        try:
            with open(scratch, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(scratch, place)
            self._sync_directory()
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(scratch)
            raise from_oserror(f"store the blob {digest}", error) from error
        return digest

    def read(self, digest: str) -> bytes:
        """A small blob, checked. NotFound; HostError if the disk gave something else back."""
        try:
            with open(self.path(digest), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            raise NotFound(f"blob {digest} is not in the store") from None
        if digests.of(data) != digest:
            raise HostError(f"blob {digest} is damaged on disk: its content has the digest {digests.of(data)}")
        return data

    def delete(self, digest: str) -> None:
        """Missing is fine."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(digest))

    def digests(self) -> list[str]:
        """All that is stored."""
        return [f"sha256:{name}" for name in os.listdir(self._blobs)]

    def keep_only(self, wanted: set[str]) -> None:
        """Deletes every other blob: what a crash left between a blob and the record that names it."""
        for digest in self.digests():
            with contextlib.suppress(InvalidInput):
                if digest not in wanted:
                    self.delete(digest)

    def _sync_directory(self) -> None:
        fd = os.open(self._blobs, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
