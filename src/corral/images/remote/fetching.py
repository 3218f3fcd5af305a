"""Fetching: a blob comes from a registry into a scratch file, and whoever wants it reads along.

::

    registry ──> scratch file (named after the digest, hashed while it grows)
                     └──> chunks(): the bytes so far, then the next as they come; no end before the digest was right

A broken connection is taken up where it broke, by the next pull even after the daemon was killed: the scratch file is
a named ingest of the content store. Several pulls of one blob share one download.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from corral.errors import CorralError, InvalidInput, RemoteFailed
from corral.images.content import Content
from corral.images.ingest import Ingest
from corral.images.remote.cancel import Cancel
from corral.images.remote.documents import Blob
from corral.images.remote.refusal import Refusal, explain
from corral.images.remote.repository import Part
from corral.images.remote.retry import duration
from corral.images.remote.session import retry_delay
from corral.images.remote.wire import WireError
from corral.linux.streams import Ended

_PIECE: Final = 1 << 18
Source = Callable[[int, Cancel], Part]  # the blob's bytes from an offset on


class Fetch:
    """One download. `run` in a thread of its own; `chunks` in others; `tell(status, current)` hears of it.

    `users` counts who wants it; when nobody does, `abandon` ends it and removes what came.
    """

    def __init__(self, content: Content, blob: Blob, sources: Iterable[Source], attempts: int) -> None:
        self.blob, self._content, self._attempts = blob, content, attempts
        self._sources = list(sources)
        self.users = 0
        self.cancel = Cancel()
        self.listeners: list[Callable[[str, int], None]] = []
        self._state = threading.Condition()
        self._have = 0
        self._path = ""
        self.started = self._done = False
        self._error: BaseException | None = None
        self._ingest: Ingest | None = None
        self.cancel.when_stopped(self._wake)

    def _wake(self) -> None:
        with self._state:
            self._state.notify_all()

    def _tell(self, status: str, current: int = -1) -> None:
        for listener in list(self.listeners):
            listener(status, current)

    # The side that writes.

    def run(self) -> None:
        """Downloads. Never raises: the readers are told."""
        try:
            self._download()
        except BaseException as error:
            self._settle(_explained(error))
        else:
            self._settle(None)

    def _settle(self, error: BaseException | None) -> None:
        with self._state:
            self._done, self._error = True, error
            self._state.notify_all()

    def _download(self) -> None:
        digest = self.blob.digest
        if self._content.has(digest):  # the registry of this daemon, or a build, has it
            with self._state:
                self._path, self._have = self._content.path(digest), self._content.size(digest)
            return
        ingest = self._content.ingest(f"pull-{digest}", digest.partition(":")[0])
        self._ingest = ingest
        if ingest.offset > self.blob.size:
            ingest.truncate()
        with self._state:
            self._path, self._have = ingest.path, ingest.offset
            self._state.notify_all()
        last: BaseException | None = None
        for source in self._sources:
            try:
                self._from(source, ingest)
                self._tell("Verifying Checksum")
                ingest.verify(digest)
                return
            except (WireError, Refusal, RemoteFailed) as error:
                last = last or error  # the registry's own comes last, and mirrors are asked before: all are tried
            except InvalidInput:
                raise InvalidInput(f"filesystem layer verification failed for digest {digest}") from None
        raise last or RemoteFailed(f"nobody to ask for the blob {digest}")

    def _from(self, source: Source, ingest: Ingest) -> None:
        """All that is missing, in as many connections as it takes."""
        attempt = 0
        while ingest.offset < self.blob.size:
            before = ingest.offset
            try:
                self._receive(source(ingest.offset, self.cancel), ingest)
            except (WireError, Refusal) as error:
                attempt = 0 if ingest.offset > before else attempt
                delay = retry_delay(error, attempt, self._attempts)
                if delay < 0:
                    raise
                attempt += 1
                self._tell(f"Retrying in {duration(delay)}")
                self.cancel.wait(delay)

    def _receive(self, part: Part, ingest: Ingest) -> None:
        size = self.blob.size
        with part.reply as reply:
            if part.total not in (-1, size):
                raise RemoteFailed(
                    f"the blob {self.blob.digest} has {part.total} bytes, not {size} as its manifest says"
                )
            skip = ingest.offset - part.start
            for data in reply.pieces():
                if skip:
                    data, skip = data[skip:], max(0, skip - len(data))
                if ingest.offset + len(data) > size:
                    raise RemoteFailed(f"the blob {self.blob.digest} has more than {size} bytes as its manifest says")
                if data:
                    ingest.write(data)
                    self._grown(ingest.offset)
            if ingest.offset < size:  # the end of a body whose length was not announced
                raise WireError(f'Get "{reply.url}": unexpected EOF', passing=True)

    def _grown(self, offset: int) -> None:
        with self._state:
            self._have = offset
            self._state.notify_all()
        self._tell("Downloading", offset)

    # The side that reads.

    def chunks(self, cancel: Cancel) -> Iterator[bytes]:
        """All bytes, each as soon as it is there; ends when the digest is right. Raises what the download did."""
        fd, at = -1, 0
        cancel.when_stopped(self._wake)
        try:
            while (have := self._beyond(at, cancel)) > at:
                if fd < 0:
                    fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                while at < have:
                    data = os.pread(fd, min(_PIECE, have - at), at)
                    if not data:
                        raise InvalidInput(f"the blob {self.blob.digest} is shorter on disk than it was")
                    at += len(data)
                    yield data
        finally:
            if fd >= 0:
                os.close(fd)

    def _beyond(self, at: int, cancel: Cancel) -> int:
        """Waits for more than `at` bytes, or for the end; how many there are."""
        with self._state:
            self._state.wait_for(lambda: self._have > at or self._done or cancel.stopped)
            cancel.check()
            if self._error is not None:
                raise self._error
            return self._have

    def wait(self, cancel: Cancel) -> None:
        """Until it is there and right. Raises what the download did."""
        with self._state:
            self._state.wait_for(lambda: self._done or cancel.stopped)
            cancel.check()
            if self._error is not None:
                raise self._error

    def close(self, *, keep: bool) -> None:
        """After `run` has returned: the scratch file goes, or with `keep` waits for the next pull."""
        ingest, self._ingest = self._ingest, None
        if ingest is not None:
            with contextlib.suppress(OSError):
                ingest.close() if keep else ingest.cancel()

    @property
    def complete(self) -> bool:
        """All bytes are here, and right."""
        return self._done and self._error is None

    @property
    def broken(self) -> bool:
        """It ended without its end, in a way that another try may take up."""
        return isinstance(self._error, CorralError) and not isinstance(self._error, InvalidInput)


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, Refusal):
        return explain(error)
    return RemoteFailed(error.text) if isinstance(error, WireError) else error


__all__ = ["Ended", "Fetch", "Source"]
