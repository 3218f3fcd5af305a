"""Fetching: a blob comes from a registry into a scratch file, and whoever wants it reads along.

::

    registry ──> scratch file (named after the digest, hashed while it grows)
                     └──> chunks(): the bytes so far, then the next as they come; no end before the digest was right

A broken connection is taken up where it broke, by the next pull even after the daemon was killed: the scratch file is
a named ingest of the content store. Several pulls of one blob share one download.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from corral.errors import CorralError, InvalidInput, NotFound, RemoteFailed
from corral.images.content import PULLS, Content
from corral.images.ingest import Ingest
from corral.images.remote.cancel import Cancel
from corral.images.remote.documents import Blob
from corral.images.remote.growing import Growing
from corral.images.remote.refusal import Refusal, explain
from corral.images.remote.repository import Part
from corral.images.remote.retry import duration
from corral.images.remote.session import retry_delay
from corral.images.remote.wire import WireError

Source = Callable[[int, Cancel], Part]  # the blob's bytes from an offset on


class Fetch(Growing):
    """One download. `run` in a thread of its own; `chunks` in others; listeners hear (status, bytes so far or -1).

    `users` counts who wants it. When nobody does, `cancel` ends it; `close` removes what came. With `store` the bytes
    become a blob of the content store; whoever wants that pins it.
    """

    def __init__(
        self, content: Content, blob: Blob, sources: Iterable[Source], attempts: int, *, store: bool = False,
        rides_out: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.blob, self._content, self._attempts, self._store = blob, content, attempts, store
        self._sources = list(sources)
        self._rides_out = rides_out
        self.users = 0
        self.started = False
        self.cancel = Cancel()
        self.listeners: list[Callable[[str, int], None]] = []
        self._ingest: Ingest | None = None

    @property
    def path(self) -> str:
        """Where the bytes are just now; "" before there are any."""
        return self._path

    def _tell(self, status: str, current: int = -1) -> None:
        for listener in list(self.listeners):
            listener(status, current)

    def run(self) -> None:
        """Downloads. Never raises: the readers are told."""
        try:
            self._download()
        except BaseException as error:
            self.settle(_explained(error))
        else:
            self.settle()

    def _download(self) -> None:
        digest = self.blob.digest
        with contextlib.suppress(NotFound):  # the registry of this daemon, or a build, may have it
            size = self._content.size(digest)
            if size != self.blob.size:
                raise _wrong_size(digest, size, self.blob.size)
            self.begin(self._content.path(digest), size)
            return
        ingest = self._content.ingest(f"{PULLS[self._store]}{digest}", digest.partition(":")[0])
        self._ingest = ingest
        if ingest.offset > self.blob.size:
            ingest.truncate()
        self.begin(ingest.path, ingest.offset)
        self._from_any(ingest)
        self._tell("Verifying Checksum")
        try:
            ingest.commit(digest) if self._store else ingest.verify(digest)
        except InvalidInput:
            raise InvalidInput(f"filesystem layer verification failed for digest {digest}") from None

    def _from_any(self, ingest: Ingest) -> None:
        """From the first source that can; the first one's failure is the one to tell."""
        first: BaseException | None = None
        for number, source in enumerate(self._sources, 1):
            try:
                self._from(source, ingest, under_way=self._rides_out and number == len(self._sources))
                return
            except (WireError, Refusal, RemoteFailed) as error:
                first = first or error
        raise first or RemoteFailed(f"nobody to ask for the blob {self.blob.digest}")

    def _from(self, source: Source, ingest: Ingest, *, under_way: bool) -> None:
        """All that is missing, in as many connections as it takes; `under_way`: nobody else is left to ask."""
        attempt = 0
        while ingest.offset < self.blob.size:
            before = ingest.offset
            try:
                self._receive(source(ingest.offset, self.cancel), ingest)
            except (WireError, Refusal) as error:
                attempt = 0 if ingest.offset > before else attempt
                delay = retry_delay(error, attempt, self._attempts, under_way=under_way)
                if delay < 0:
                    raise
                attempt += 1
                self._tell(f"Retrying in {duration(delay)}")
                self.cancel.wait(delay)

    def _receive(self, part: Part, ingest: Ingest) -> None:
        size, digest = self.blob.size, self.blob.digest
        with part.reply as reply:
            if part.total not in (-1, size):
                raise _wrong_size(digest, part.total, size)
            skip = ingest.offset - part.start
            for data in reply.pieces():
                if skip:
                    data, skip = data[skip:], max(0, skip - len(data))
                if ingest.offset + len(data) > size:
                    raise RemoteFailed(f"the blob {digest} has more than {size} bytes as its manifest says")
                if data:
                    ingest.write(data)
                    self.grown(ingest.offset)
                    self._tell("Downloading", ingest.offset)
            if ingest.offset < size:  # the end of a body whose length was not announced
                raise WireError(f'Get "{reply.url}": unexpected EOF', passing=True)

    def close(self, *, keep: bool) -> None:
        """After `run` has returned: the scratch file goes, or with `keep`, if there is anything in it, waits for the
        next pull."""
        ingest, self._ingest = self._ingest, None
        if ingest is not None:
            with contextlib.suppress(OSError):
                ingest.close() if keep and ingest.offset else ingest.cancel()

    @property
    def broken(self) -> bool:
        """It ended without its end."""
        return isinstance(self.error, CorralError)


def _wrong_size(digest: str, found: int, promised: int) -> RemoteFailed:
    return RemoteFailed(f"the blob {digest} has {found} bytes, not {promised} as its manifest says")


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, Refusal):
        return explain(error)
    return RemoteFailed(error.text) if isinstance(error, WireError) else error
