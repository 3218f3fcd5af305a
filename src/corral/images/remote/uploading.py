"""Uploading: a layer goes to a repository, unless it is there: looked for, mounted, or sent. Blocking.

What is sent is sent while it is still being compressed, in one request of unknown length as Docker does it; a small
one whole, when it is ready. A connection that breaks is taken up where the registry says it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from corral.images.layers import Layer
from corral.images.origins import Known
from corral.images.remote.cancel import Cancel
from corral.images.remote.documents import DOCKER_LAYER, Blob
from corral.images.remote.packing import Pack
from corral.images.remote.refusal import Refusal
from corral.images.remote.repository import Repository
from corral.images.remote.retry import duration, plan_retry
from corral.images.remote.session import retry_delay
from corral.images.remote.wire import WireError

SMALL: Final = 1 << 20  # bytes of a tar that is sent whole
_MOUNTS: Final = 4  # repositories that are tried
Tell = Callable[[str, int, int], None]  # status, bytes so far or -1, all bytes
MakePack = Callable[[Layer], Pack]  # starts packing in a thread


class Upload:
    """One layer on its way to one repository (`name` in full: "localhost:5000/app")."""

    def __init__(
        self, repository: Repository, name: str, layer: Layer, known: list[Known], attempts: int,
        make_pack: MakePack, cancel: Cancel, tell: Tell,
    ) -> None:  # fmt: skip
        self._repository, self._name, self._layer, self._known = repository, name, layer, known
        self._attempts, self._make_pack, self._cancel, self._tell = attempts, make_pack, cancel, tell
        self.gone: list[str] = []  # digests that the repository was thought to have

    def run(self) -> Blob:
        """The layer's blob in the repository. Refusal, WireError, HostError, Ended."""
        for known in self._known:
            if self._repository.has_blob(known.digest):
                self._tell("Layer already exists", -1, 0)
                return Blob(known.digest, known.size, known.media_type)
            if self._name in known.repositories:
                self.gone.append(known.digest)
        found, url = self._mount()
        if found is not None:
            return found
        pack = self._make_pack(self._layer)
        self._cancel.when_stopped(pack.cancel.stop)
        if self._layer.tar_size < SMALL:
            return self._send_whole(pack, url)
        return self._send(pack, url or self._repository.start_upload())

    def _mount(self) -> tuple[Blob | None, str]:
        """The blob, from another repository of the same registry; or an upload that was begun instead."""
        domain = self._name.partition("/")[0]
        url, tried = "", 0
        for known in self._known:
            for source in known.repositories:
                if source == self._name or not source.startswith(f"{domain}/") or tried >= _MOUNTS:
                    continue
                tried += 1
                path = source.partition("/")[2]
                try:
                    begun = self._repository.start_upload(known.digest, path)
                except Refusal:
                    continue  # we may not read there, or it is gone: then it is sent
                if not begun:
                    self._tell(f"Mounted from {path}", -1, 0)
                    return Blob(known.digest, known.size, known.media_type), ""
                if url:
                    self._repository.cancel_upload(url)
                url = begun
        return None, url

    def _send_whole(self, pack: Pack, url: str) -> Blob:
        pack.wait(self._cancel)
        data = b"".join(pack.chunks(self._cancel))
        if url:
            self._repository.cancel_upload(url)
        if not self._known and self._repository.has_blob(pack.digest):  # somebody else's, or ours of long ago
            self._tell("Layer already exists", -1, 0)
        else:
            self._repository.put_blob(pack.digest, data)
            self._tell("Pushed", -1, 0)
        return Blob(pack.digest, pack.size, DOCKER_LAYER)

    def _send(self, pack: Pack, url: str) -> Blob:
        attempt, offset, before = 0, 0, 0
        while True:
            try:
                if not pack.complete or offset < pack.size:
                    url = self._repository.append(url, lambda at=offset: self._chunks(pack, at), _how(pack, offset))  # type: ignore[misc]
                pack.wait(self._cancel)
                self._repository.finish_upload(url, pack.digest)
                break
            except (WireError, Refusal) as error:
                attempt = attempt if offset <= before else 0  # it had come further by then
                delay = _delay(error, attempt, self._attempts, under_way=self._repository.session.under_way)
                if delay < 0:
                    raise
                attempt, before = attempt + 1, max(before, offset)
                self._waits(delay)
                self._cancel.wait(delay)
                offset, url = self._resume(url)
                if offset:
                    pack.wait(self._cancel)  # a piece of a known length says where it belongs
                if pack.complete and self._repository.has_blob(pack.digest):
                    break
        self._tell("Pushed", -1, 0)
        return Blob(pack.digest, pack.size, DOCKER_LAYER)

    def _resume(self, url: str) -> tuple[int, str]:
        """How far the registry is; from the start if it has forgotten."""
        try:
            return self._repository.uploaded(url, self._waits)
        except Refusal:
            return 0, self._repository.start_upload()

    def _waits(self, seconds: float) -> None:
        self._tell(f"Retrying in {duration(seconds)}", -1, 0)

    def _chunks(self, pack: Pack, offset: int) -> Iterator[bytes]:
        """The bytes from `offset` on; says how much of the layer that is."""
        total, sent = self._layer.tar_size, offset
        for data in pack.chunks(self._cancel, offset):
            yield data
            sent += len(data)
            self._tell("Pushing", sent * total // pack.size if pack.complete else pack.packed, total)


def _delay(error: WireError | Refusal, attempt: int, attempts: int, *, under_way: bool) -> float:
    """As `retry_delay`, and also where the piece did not fit (416): the registry had not yet taken all that had reached
    it when it was asked how far it is."""
    if isinstance(error, Refusal) and error.status == 416:
        return plan_retry(attempt, attempts, broken=True)
    return retry_delay(error, attempt, attempts, under_way=under_way)


def _how(pack: Pack, offset: int) -> dict[str, str]:
    """The headers of one piece: of a known length when all is packed."""
    if not pack.complete:
        return {"Transfer-Encoding": "chunked"}
    return {"Content-Length": str(pack.size - offset), "Content-Range": f"{offset}-{pack.size - 1}"}
