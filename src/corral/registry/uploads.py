"""Uploads: blobs on their way in. Each is a session that may span many requests, broken connections and restarts.

The bytes of a session lie in a named ingest of the content store, whose name tells the repository; so a session is
found again after a restart without a record of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from corral.errors import Conflict, InvalidInput
from corral.images.content import Content
from corral.images.ingest import Ingest
from corral.registry.faults import Fault
from corral.registry.ranges import received

T = TypeVar("T")
BATCH: Final = 1 << 20  # bytes that are handed to a thread at once
IDLE: Final = 3600.0  # seconds after which a session that nobody uses is let go of; its bytes stay for a week


class Upload:
    """One session. `ingest` is open while there are bytes."""

    __slots__ = ("algorithm", "busy", "id", "ingest", "repository", "used")

    def __init__(self, identity: str, repository: str, algorithm: str) -> None:
        self.id, self.repository, self.algorithm = identity, repository, algorithm
        self.ingest: Ingest | None = None
        self.busy = False
        self.used = time.monotonic()

    @property
    def offset(self) -> int:
        return self.ingest.offset if self.ingest else 0

    @property
    def scratch(self) -> str:
        """The name of its ingest: nobody finds it by way of another repository."""
        return f"upload-{self.id}-{hashlib.sha256(self.repository.encode()).hexdigest()[:16]}"

    @property
    def location(self) -> str:
        return f"/v2/{self.repository}/blobs/uploads/{self.id}"

    def headers(self) -> dict[str, str]:
        """What each answer about a session says."""
        return {"Location": self.location, "Range": received(self.offset), "Docker-Upload-UUID": self.id}


class Uploads:
    """All sessions. Writing, hashing and syncing happen in threads of their own."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._sessions: dict[str, Upload] = {}
        self._threads = ThreadPoolExecutor(8, "registry")

    def start(self, repository: str, algorithm: str = "sha256") -> Upload:
        upload = Upload(str(uuid.uuid4()), repository, algorithm)
        self._sessions[upload.id] = upload
        return upload

    async def find(self, repository: str, identity: str) -> Upload:
        """BLOB_UPLOAD_UNKNOWN."""
        upload = self._sessions.get(identity)
        if upload is None:
            with suppress(ValueError):
                upload = await self._resume(Upload(str(uuid.UUID(identity)), repository, "sha256"))
        if upload is None or upload.repository != repository:
            raise Fault("BLOB_UPLOAD_UNKNOWN", detail={"upload": identity})
        upload.used = time.monotonic()
        return upload

    async def _resume(self, upload: Upload) -> Upload | None:
        """A session whose bytes are there, from before a restart or a long silence."""
        if upload.scratch not in self._content.unfinished():
            return None
        try:
            ingest = await self._run(lambda: self._content.ingest(upload.scratch))
        except Conflict:  # another request resumes it just now
            return self._sessions.get(upload.id)
        if upload.id in self._sessions:
            ingest.close()
        else:
            upload.ingest = ingest
            self._sessions[upload.id] = upload
        return self._sessions[upload.id]

    @contextmanager
    def using(self, upload: Upload, refused: int = 416) -> Iterator[None]:
        """One request writes at a time. BLOB_UPLOAD_INVALID for a second one, with the status `refused`: while a piece
        is still arriving, no other one is in order. A client then asks how far it is, and goes on from there."""
        if upload.busy:
            message = "blob upload invalid: another request is writing to this upload: ask with GET how far it is"
            raise Fault("BLOB_UPLOAD_INVALID", message, status=refused, headers=upload.headers())
        upload.busy = True
        try:
            yield
        finally:
            upload.busy, upload.used = False, time.monotonic()

    async def receive(self, upload: Upload, pieces: AsyncIterator[bytes], expected: int | None = None) -> None:
        """Appends what comes; of a client that goes away in the middle, what has come.

        `expected` bytes, if that is known; otherwise it is as if nothing had come: SIZE_INVALID. NoSpace, HostError.
        """
        ingest = await self._opened(upload)
        start = ingest.offset
        await self._write_all(ingest, pieces)
        got = ingest.offset - start
        if expected is not None and got != expected:
            await self._run(lambda: ingest.truncate(start))
            raise Fault("SIZE_INVALID", f"{got} bytes came, {expected} were announced", headers=upload.headers())

    async def _opened(self, upload: Upload) -> Ingest:
        if upload.ingest is None:
            upload.ingest = await self._run(lambda: self._content.ingest(upload.scratch, upload.algorithm))
        return upload.ingest

    async def _write_all(self, ingest: Ingest, pieces: AsyncIterator[bytes]) -> None:
        """One batch is written and hashed while the next one arrives."""
        waiting: list[bytes] = []
        size = 0
        writing: asyncio.Future[None] | None = None
        try:
            async for piece in pieces:
                waiting.append(piece)
                size += len(piece)
                if size >= BATCH:
                    if writing is not None:
                        await _settled(writing)
                    writing = self._submit(ingest, waiting)
                    waiting, size = [], 0
        finally:
            if writing is not None:
                await _settled(writing)
            if waiting:
                await _settled(self._submit(ingest, waiting))

    def _submit(self, ingest: Ingest, batch: list[bytes]) -> asyncio.Future[None]:
        def write() -> None:
            for piece in batch:
                ingest.write(piece)

        return asyncio.get_running_loop().run_in_executor(self._threads, write)

    async def finish(self, upload: Upload, digest: str) -> int:
        """Makes the bytes the blob `digest`; their number. DIGEST_INVALID ends the session. NoSpace, HostError."""
        ingest = await self._opened(upload)
        size = ingest.offset
        try:
            await self._run(lambda: ingest.commit(digest))
        except InvalidInput as error:
            self._sessions.pop(upload.id, None)
            raise Fault("DIGEST_INVALID", error.message, {"digest": digest}) from None
        self._sessions.pop(upload.id, None)
        return size

    async def cancel(self, upload: Upload) -> None:
        self._sessions.pop(upload.id, None)
        if upload.ingest is not None:
            await self._run(upload.ingest.cancel)

    async def store(self, data: bytes, digest: str) -> None:
        """A small blob, whose digest is right. NoSpace, HostError."""

        def work() -> None:
            if not self._content.has(digest):
                with self._content.ingest(algorithm=digest.partition(":")[0]) as scratch:
                    scratch.write(data)
                    scratch.commit(digest)

        await self._run(work)

    def expire(self, now: float) -> int:
        """Lets go of the sessions that nobody has used for long; how many. `now` as of `time.monotonic`."""
        old = [upload for upload in self._sessions.values() if not upload.busy and now - upload.used > IDLE]
        for upload in old:
            del self._sessions[upload.id]
            if upload.ingest is not None:
                upload.ingest.close()
        return len(old)

    @property
    def count(self) -> int:
        return len(self._sessions)

    def close(self) -> None:
        """Lets go of all; what has come stays for a week."""
        self._threads.shutdown()
        for upload in self._sessions.values():
            if upload.ingest is not None:
                upload.ingest.close()
        self._sessions.clear()

    async def _run(self, work: Callable[[], T]) -> T:
        return await _settled(asyncio.get_running_loop().run_in_executor(self._threads, work))


async def _settled(work: asyncio.Future[T]) -> T:
    """The result; also one who is cancelled waits until the thread is done with the file."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
