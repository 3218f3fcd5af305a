"""HTTP: one URL as a file, kept for the next time by what its server calls it (ETag, Last-Modified). Blocking."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import msgspec

from corral.errors import InvalidInput, RemoteFailed, from_oserror
from corral.images.remote.cancel import Cancel
from corral.images.remote.download import follow
from corral.images.remote.retry import plan_retry
from corral.images.remote.wire import Reply, Wire, WireError
from corral.linux.filling import write_all
from corral.model.container import Struct

LARGEST = 1 << 40  # bytes of one download, where nothing else is said
_ATTEMPTS = 4
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
Moved = Callable[[int, int], None]  # bytes so far, bytes in all or 0


class Kept(Struct):
    """What is known about a download. `modified` is the header as it came."""

    digest: str = ""
    etag: str = ""
    modified: str = ""

    @property
    def mtime(self) -> int:
        """
        >>> Kept(modified="Thu, 01 Jan 1970 00:01:00 GMT").mtime, Kept(modified="x").mtime
        (60, 0)
        """
        try:
            return int(parsedate_to_datetime(self.modified).timestamp())
        except (ValueError, TypeError, OverflowError, IndexError):
            return 0


def parse_checksum(text: str) -> tuple[str, str]:
    """Pure: algorithm and hexadecimal digits.

    >>> parse_checksum("md5:00")
    Traceback (most recent call last):
    corral.errors.InvalidInput: --checksum=md5:00: unsupported digest algorithm
    """
    name, colon, digits = text.partition(":")
    if not colon or not digits or set(digits) - set("0123456789abcdef"):
        raise InvalidInput(f"--checksum={text}: invalid checksum digest format")
    if name not in _LENGTHS:
        raise InvalidInput(f"--checksum={text}: unsupported digest algorithm")
    if len(digits) != _LENGTHS[name]:
        raise InvalidInput(f"--checksum={text}: invalid checksum digest length")
    return name, digits


def check(url: str, path: str, checksum: str) -> None:
    """InvalidInput, in BuildKit's words, unless the file is the one that was meant."""
    name, digits = parse_checksum(checksum)
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, name).hexdigest()
    if found != digits:
        raise InvalidInput(f"digest mismatch for {url}: {name}:{found} (expected: {checksum})")


class Download:
    """One URL, in its own directory: `kept.json`, and the content under its digest."""

    def __init__(self, wire: Wire, url: str, place: str, limit: int = LARGEST, agent: str = "corral") -> None:
        self._wire, self._url, self._place, self._limit = wire, url, place, limit
        self._headers = {"User-Agent": agent}

    def run(self, cancel: Cancel, moved: Moved) -> tuple[str, Kept]:
        """The file's path, and what is known about it. RemoteFailed, InvalidInput, HostError."""
        attempt = 0
        while True:
            try:
                return self._once(cancel, moved)
            except WireError as error:
                delay = plan_retry(attempt, _ATTEMPTS, broken=error.passing)
                if delay < 0:
                    raise RemoteFailed(f"failed to load cache key: {error.text}") from error
                cancel.wait(delay)
                attempt += 1
            except OSError as error:
                raise from_oserror(f"download {self._url}", error) from error

    def _once(self, cancel: Cancel, moved: Moved) -> tuple[str, Kept]:
        os.makedirs(self._place, mode=0o700, exist_ok=True)
        kept = self._kept()
        asked = {}
        if kept.etag:
            asked["If-None-Match"] = kept.etag
        elif kept.modified:
            asked["If-Modified-Since"] = kept.modified
        with follow(self._wire, self._url, {**self._headers, **asked}, cancel) as reply:
            if reply.status == 304 and kept.digest:
                return self._path(kept), kept
            if not 200 <= reply.status < 300:
                raise RemoteFailed(f"failed to load cache key: invalid response status {reply.status} from {self._url}")
            new = Kept(self._save(reply, moved), reply.header("ETag"), reply.header("Last-Modified"))
        self._keep(kept, new)
        return self._path(new), new

    def _save(self, reply: Reply, moved: Moved) -> str:
        """Writes the body to a file that is named after it; the digest."""
        partial = f"{self._place}/partial-{os.urandom(8).hex()}"
        total, size, hashed = max(0, reply.length), 0, hashlib.sha256()
        fd = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            for data in reply.pieces():
                size += len(data)
                if size > self._limit or total > self._limit:
                    raise InvalidInput(f"{self._url} is larger than {self._limit} bytes: refused")
                hashed.update(data)
                write_all(fd, data)
                moved(size, total)
            os.rename(partial, f"{self._place}/{hashed.hexdigest()}")
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
            raise
        finally:
            os.close(fd)
        return f"sha256:{hashed.hexdigest()}"

    # What is kept.

    def _path(self, kept: Kept) -> str:
        return f"{self._place}/{kept.digest.removeprefix('sha256:')}"

    def _kept(self) -> Kept:
        try:
            with open(f"{self._place}/kept.json", "rb") as file:
                kept = msgspec.json.decode(file.read(), type=Kept)
        except (FileNotFoundError, msgspec.DecodeError):
            return Kept()
        return kept if os.path.exists(self._path(kept)) else Kept()

    def _keep(self, old: Kept, new: Kept) -> None:
        os.utime(self._path(new), (new.mtime, new.mtime))
        with open(f"{self._place}/kept.new", "wb") as file:
            file.write(msgspec.json.encode(new))
        os.rename(f"{self._place}/kept.new", f"{self._place}/kept.json")
        if old.digest and old.digest != new.digest:
            os.unlink(self._path(old))
