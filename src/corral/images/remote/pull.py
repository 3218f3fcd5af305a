"""Pull: an image of a registry becomes an image of this store.

::

    manifest ──> index? choose ──> configuration ──> layers: three come at a time, into scratch files
                                                        └── unpacked from the bottom up while they come, two at a time
                                   all recorded in one transaction

Nothing that came is used unchecked: a blob's bytes against its digest, a layer's tar against its diff id, before the
image is recorded.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING

from corral.errors import CorralError, InvalidInput, NotFound
from corral.images import config as configs
from corral.images.digests import chain_ids
from corral.images.layers import Layer
from corral.images.origins import Kept, Known
from corral.images.platforms import Platform, host_level, host_platform, split_platform
from corral.images.records import Change
from corral.images.references import Reference
from corral.images.remote.cancel import Cancel
from corral.images.remote.documents import Blob, Index, Manifest, check_image, choose_entry, parse_document
from corral.images.remote.fetching import Fetch
from corral.images.remote.hub import Hub, Resolved
from corral.images.remote.progress import Meter, Report
from corral.images.remote.refusal import explain_pull
from corral.images.remote.threads import blocking
from corral.kit.ids import short
from corral.linux.streams import Ended, in_thread
from corral.model.image import Image
from corral.model.transfer import Credentials, Note, layer

if TYPE_CHECKING:
    from corral.images.draft import Draft
    from corral.images.library import Images

_CONFIG_LIMIT = 8 << 20
_WINDOW = min(4, max(2, os.cpu_count() or 2))  # layers of one image that are unpacked at a time


async def pull_tag(
    images: Images, hub: Hub, ref: Reference, platform: str, credentials: Credentials, report: Report
) -> bool:
    """One tag or digest of a repository; whether anything changed. NotFound, RemoteFailed, InvalidInput, …"""
    resolved = await blocking(
        "manifest",
        lambda cancel: hub.resolve(ref, ref.digest or ref.tag, credentials, cancel),
        lambda refusal: explain_pull(refusal, ref),
    )
    report(Note(f"Pulling from {ref.path}", ref.digest or ref.tag))
    manifest = await _manifest(resolved, ref, platform)
    name = f"{ref.name}@{resolved.found.digest}"
    before = images.named(name if ref.digest else str(ref))
    image = await Pull(images, hub, ref, resolved, manifest, platform, report).run(name)
    report(Note(f"Digest: {resolved.found.digest}"))
    return image.id != before


async def _manifest(resolved: Resolved, ref: Reference, platform: str) -> Manifest:
    """The image's own manifest, for which the platform is chosen if there are several."""
    found = resolved.found
    document = parse_document(found.data, found.content_type, found.digest, ref.familiar)
    if isinstance(document, Index):
        wanted = split_platform(platform or host_platform())
        entry = choose_entry(document, wanted, host_level() if not wanted.variant else 1)
        found = await blocking(
            "manifest",
            lambda cancel: resolved.repository.again(cancel).manifest(entry.digest),
            lambda refusal: explain_pull(refusal, by_digest(ref, entry.digest)),
        )
        document = parse_document(found.data, found.content_type or entry.media_type, found.digest, ref.familiar)
    if isinstance(document, Index):
        raise InvalidInput(f"the index of {ref.familiar} names another index, {document.digest}, as its image")
    check_image(document, ref.familiar)
    return document


def by_digest(ref: Reference, digest: str) -> Reference:
    return Reference(ref.domain, ref.path, "", digest)


class Pull:
    """One image on its way. Use once."""

    def __init__(
        self,
        images: Images,
        hub: Hub,
        ref: Reference,
        resolved: Resolved,
        manifest: Manifest,
        platform: str,
        report: Report,
    ) -> None:
        self._images, self._hub, self._ref, self._resolved, self._report = images, hub, ref, resolved, report
        self._manifest, self._platform = manifest, platform
        self._loop = asyncio.get_running_loop()

    async def run(self, digest_name: str) -> Image:
        """The image, recorded under the tag, if there is one, and under the name with the digest."""
        names = [digest_name] if self._ref.digest else [str(self._ref), digest_name]
        data = await self._configuration()
        image = self._check(configs.parse(data))
        async with self._images.draft() as draft:
            if image.id in self._images:
                for chain in chain_ids(image.diff_ids):
                    draft.hold(chain)
            else:
                await self._layers(draft, image)
            changes = self._origins(image)
            kept = Kept(self._manifest.digest, self._manifest.media_type)
            changes += self._images.origins.keep(image.id, kept)
            return await draft.record(data, names, documents=[self._manifest.data], changes=changes)

    def _origins(self, image: Image) -> list[Change]:
        changes = {}
        for diff_id, blob in zip(image.diff_ids, self._manifest.layers, strict=True):
            known = Known(blob.digest, blob.size, blob.mediaType, [self._ref.name])
            for change in self._images.origins.learn(diff_id, known):
                changes[change.key] = change
        return list(changes.values())

    async def _configuration(self) -> bytes:
        blob = self._manifest.config
        if blob.digest in self._images:
            return await asyncio.to_thread(self._images.content.read, blob.digest)
        return await blocking(
            "config", lambda cancel: self._resolved.repository.again(cancel).small_blob(blob, _CONFIG_LIMIT)
        )

    def _check(self, image: Image) -> Image:
        """InvalidInput, NotFound in Docker's words."""
        if len(image.diff_ids) != len(self._manifest.layers):
            raise InvalidInput("layers from manifest don't match image configuration")
        if image.os != "linux":
            raise InvalidInput(f'image operating system "{image.os}" cannot be used on this platform')
        if self._platform:
            wanted, has = split_platform(self._platform), Platform(image.os, image.architecture, image.variant)
            if (wanted.os, wanted.architecture) != (has.os, has.architecture):
                raise NotFound(
                    f"image with reference {self._ref.familiar} was found but its platform ({has}) does not match the "
                    f"specified platform ({wanted})"
                )
        return image

    # Layers.

    async def _layers(self, draft: Draft, image: Image) -> None:
        chains = chain_ids(image.diff_ids)
        blobs = self._manifest.layers
        there = 0
        while there < len(chains) and draft.hold(chains[there]):
            self._report(layer(_id(blobs[there]), "Already exists"))
            there += 1
        for blob in blobs[there:]:
            self._report(layer(_id(blob), "Pulling fs layer"))
        async with AsyncExitStack() as stack:
            fetches = [await stack.enter_async_context(self._fetching(blob)) for blob in blobs[there:]]
            work = _Stack(self, draft, image.diff_ids[there:], chains[there:], fetches)
            await work.run()

    def _fetching(self, blob: Blob) -> AbstractAsyncContextManager[Fetch]:
        places = self._resolved.sources
        sources = [self._hub.source(e, who, self._ref.path, blob.digest) for e, who in places]
        return self._hub.fetching(blob, sources)

    def tell(self, blob: Blob, status: str, current: int = -1) -> None:
        """From any thread."""
        note = layer(_id(blob), status, current, blob.size if current >= 0 else 0)
        self._loop.call_soon_threadsafe(self._report, note)

    @property
    def images(self) -> Images:
        return self._images

    @property
    def unpacking(self) -> dict[str, asyncio.Future[None]]:
        """The layers that somebody unpacks just now, by chain id."""
        return self._hub.unpacking


class _Stack:
    """The layers that are missing, being unpacked: started from the bottom, some at a time, added in order.

    A layer that another pull is unpacking is waited for; should that fail, it is unpacked here.
    """

    def __init__(
        self, pull: Pull, draft: Draft, diff_ids: Sequence[str], chains: Sequence[str], fetches: Sequence[Fetch]
    ) -> None:
        self._pull, self._draft = pull, draft
        self._diff_ids, self._chains, self._fetches = diff_ids, chains, fetches
        self._cancel = Cancel()
        self._below = [_Below(self._cancel) for _ in chains]
        self._mine: dict[int, asyncio.Future[Layer]] = {}
        self._claims: dict[str, asyncio.Future[None]] = {}

    async def run(self) -> None:
        for number, fetch in enumerate(self._fetches):
            fetch.listeners.append(self._listener(fetch))
            if number >= 3 and not fetch.started:
                self._pull.tell(fetch.blob, "Waiting")
        try:
            for number in range(len(self._chains)):
                self._start_some(number)
                await self._next(number)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self._abandon()))
            raise
        finally:
            for claim in self._claims.values():
                if not claim.done():
                    claim.set_result(None)

    def _listener(self, fetch: Fetch) -> Callable[[str, int], None]:
        blob = fetch.blob
        meter = Meter(lambda current: self._pull.tell(blob, "Downloading", current), blob.size)

        def hear(status: str, current: int) -> None:
            if status == "Downloading":
                meter.at(current)
            else:
                self._pull.tell(blob, status)

        return hear

    def _start_some(self, first: int) -> None:
        """Unpacks this one and the next, unless somebody else does."""
        for number in range(first, min(first + _WINDOW, len(self._chains))):
            chain = self._chains[number]
            if number not in self._mine and chain not in self._pull.unpacking and not self._there(chain):
                claim: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._pull.unpacking[chain] = self._claims[chain] = claim
                self._mine[number] = in_thread(f"unpack {number}", lambda number=number: self._unpack(number))  # type: ignore[misc]

    def _there(self, chain: str) -> bool:
        return self._pull.images.layers.get(chain) is not None

    async def _next(self, number: int) -> None:
        """Layer `number` becomes part of the draft; those below are."""
        chain = self._chains[number]
        self._below[number].set(self._draft.dirs())
        while number not in self._mine and not self._draft.hold(chain):
            claim = self._pull.unpacking.get(chain)
            if claim is not None:
                await asyncio.shield(claim)
            else:
                self._start_some(number)  # whoever did it has given up
        if number in self._mine:
            made = await asyncio.shield(self._mine[number])
            del self._mine[number]
            self._draft.add(made, chain)
        self._release(chain)
        self._pull.tell(self._fetches[number].blob, "Pull complete")

    def _release(self, chain: str) -> None:
        claim = self._claims.pop(chain, None)
        if claim is not None:
            del self._pull.unpacking[chain]
            claim.set_result(None)

    def _unpack(self, number: int) -> Layer:
        """In a thread."""
        images, fetch, cancel = self._pull.images, self._fetches[number], Cancel()
        self._cancel.when_stopped(cancel.stop)
        try:
            chunks = self._chunks(fetch, cancel)
            made = images.layers.unpack(chunks, self._below[number].get, images.limits, cancel.stop)
        except CorralError:
            fetch.wait(self._cancel)  # what came was not what was promised: that is the cause then
            raise
        if made.diff != self._diff_ids[number]:
            images.layers.remove([made])
            raise InvalidInput(
                f"layers from manifest don't match image configuration: layer {fetch.blob.digest} unpacks to "
                f"{made.diff}, not {self._diff_ids[number]}"
            )
        return made

    def _chunks(self, fetch: Fetch, cancel: Cancel) -> Iterator[bytes]:
        """The blob's bytes; once all are here, says how far they are unpacked."""
        blob, done = fetch.blob, 0
        meter = Meter(lambda current: self._pull.tell(blob, "Extracting", current), blob.size)
        complete = False
        for data in fetch.chunks(cancel):
            if fetch.complete:
                if not complete:
                    complete = True
                    self._pull.tell(blob, "Download complete")
                meter.at(done)
            yield data
            done += len(data)
        if not complete:
            self._pull.tell(blob, "Download complete")
        meter.at(done)

    async def _abandon(self) -> None:
        """Waits for the threads, and takes away what they made."""
        self._cancel.stop()
        mine, self._mine = list(self._mine.values()), {}
        for claim in list(self._claims):
            self._release(claim)
        if mine:
            await asyncio.wait(mine)
        made = [future.result() for future in mine if not future.exception()]
        if made:
            await in_thread("pull-cleanup", lambda: self._pull.images.layers.remove(made))


class _Below:
    """The directories under a layer, for the thread that unpacks it: known when those below are unpacked."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel, self._ready = cancel, threading.Event()
        self._dirs: list[str] = []
        cancel.when_stopped(self._ready.set)

    def set(self, dirs: list[str]) -> None:
        self._dirs = dirs
        self._ready.set()

    def get(self) -> list[str]:
        self._ready.wait()
        if self._cancel.stopped:
            raise Ended
        return self._dirs


def _id(blob: Blob) -> str:
    return short(blob.digest)
