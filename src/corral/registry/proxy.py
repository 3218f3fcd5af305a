"""Proxy: repositories of other registries, fetched when they are asked for, and kept.

::

    GET manifests/v1 ──> kept, and the upstream says that it is still so? ──> what is kept
                         └── no: fetched, kept                            ──> what is kept
                         └── the upstream is silent                       ──> what is kept, however old
    GET blobs/D      ──> kept? ──> what is kept
                         └── no: one download, whoever asks reads along; kept once its digest was right
                                 (of what is here for another repository: once the upstream says that it has it)

What is kept and nobody asked for in a while goes with the sweep (`RegistryConfig.of`).
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from corral.errors import CorralError, NotFound, RemoteFailed
from corral.http.message import Answer, Response, StreamResponse
from corral.images.remote.repository import Found
from corral.kit.tasks import Tasks
from corral.registry import blobs, records, tagging
from corral.registry.asking import Asking, failed
from corral.registry.call import Call
from corral.registry.download import Download
from corral.registry.faults import Fault
from corral.registry.manifests import parse_manifest
from corral.registry.names import is_digest, is_name
from corral.registry.sweep import SECOND
from corral.registry.upstreams import Place, find_place

if TYPE_CHECKING:
    from corral.registry.app import Registry

log = logging.getLogger("corral.registry")

_DESCRIPTOR: Final = {"mediaType": str, "size": int, "digest": str, "artifactType": str, "annotations": dict}
NOTED: Final = 3600 * SECOND  # how exactly it is known when something was asked for last


class Proxy:
    """For all upstreams of a registry. Its methods bring things here, and raise `Fault`s."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self._config = registry, registry.config
        self._asking = Asking(registry.config, registry.content, registry.clock)
        self._tasks = Tasks()
        self._downloads: dict[tuple[str, str], Download] = {}

    async def close(self) -> None:
        await self._tasks.close()
        self._asking.close()

    def place(self, repository: str) -> Place | None:
        """Where it comes from; None if it is our own."""
        return find_place(self._config.upstreams, repository) if is_name(repository) else None

    # Manifests.

    async def refresh(self, call: Call, place: Place) -> None:
        """Brings what is kept of a manifest up to date, as far as that can be done."""
        repository = self._registry.repositories.get(call.name)
        known = repository.find(call.item) if repository else ""
        if not known or not self._fresh(call):
            try:
                known = await self._bring(call, place, known)
            except NotFound as error:
                raise Fault("MANIFEST_UNKNOWN", f"{place.upstream.url}: {error.message}") from None
            except CorralError as error:
                log.warning("%s of %s: %s", call.item, call.name, error.message)
                if not known:
                    raise failed(place, error) from None
        await self._note(call, known)

    def _fresh(self, call: Call) -> bool:
        """A digest always means the same, a tag for as long as is configured."""
        repository = self._registry.repositories.by_name[call.name]
        tag = repository.tags.get(call.item)
        age = self._registry.clock.now() - (repository.checked.get(call.item, 0) if tag else 0)
        return tag is None or age < self._config.proxy_fresh * SECOND

    async def _bring(self, call: Call, place: Place, known: str) -> str:
        """The digest that it has there, once the manifest is here."""
        item = call.item
        if not known or await self._asking.ask(place, lambda repository: repository.head_manifest(item)) != known:
            found = await self._asking.ask(place, lambda repository: repository.manifest(item))
            known = await self._keep(call, place, found)
        if repository := self._registry.repositories.get(call.name):
            repository.checked[item] = self._registry.clock.now()
        return known

    async def _keep(self, call: Call, place: Place, found: Found) -> str:
        """RemoteFailed for what is no manifest, as where a page to log in answers everything."""
        try:
            manifest = parse_manifest(found.data, found.content_type)
        except Fault as fault:
            raise RemoteFailed(f"{place.upstream.url} gave this as {call.item}: {fault}") from None
        tags = [] if ":" in call.item else [call.item]
        await tagging.keep_manifest(call, found.digest, found.data, manifest, tags)
        return found.digest

    async def _note(self, call: Call, digest: str) -> None:
        """That it was asked for: what nobody wants any more is not kept for ever."""
        now, repository = self._registry.clock.now(), self._registry.repositories.get(call.name)
        tag = repository.tags.get(call.item) if repository else None
        manifest = repository.manifests.get(digest) if repository else None
        puts: dict[str, records.Record] = {}
        if tag is not None and now - tag.at > NOTED:
            puts[records.tag_key(call.name, call.item)] = replace(tag, at=now)
        if tag is None and manifest is not None and now - manifest.at > NOTED:
            puts[records.manifest_key(call.name, digest)] = replace(manifest, at=now)
        if puts:
            await self._registry.repositories.change(puts)

    # Blobs.

    async def get_blob(self, call: Call, place: Place) -> Answer | None:
        """One that is not here yet; None once it can be given out as any other."""
        repository = self._registry.repositories.get(call.name)
        if not is_digest(call.item) or (repository and call.item in {**repository.blobs, **repository.manifests}):
            return None
        size = await self._size(call, place)
        headers = blobs.headers_of(call.item, "application/octet-stream") | {"Content-Length": str(size)}
        if call.request.method == "HEAD":
            return Response(200, headers)
        download = self._download(call.name, call.item, size, place)
        try:
            await download.begun()
            if call.request.header("range"):
                await download.wait()
                return None
        except NotFound as error:
            raise blobs.unknown(call.item) from error
        except CorralError as error:
            raise failed(place, error) from None
        self._registry.metrics.sent(size)
        return StreamResponse(download.chunks(), 200, headers)

    async def _size(self, call: Call, place: Place) -> int:
        """As a manifest here says, else as the upstream says."""
        repository = self._registry.repositories.get(call.name)
        for manifest in repository.users_of(call.item) if repository else ():
            found = size_in(self._registry.content.read(manifest), call.item)
            if found >= 0:
                return found
        try:
            return await self._asking.ask(place, lambda repository: repository.blob_size(call.item))
        except NotFound:
            raise blobs.unknown(call.item) from None
        except CorralError as error:
            raise failed(place, error) from None

    def _download(self, name: str, digest: str, size: int, place: Place) -> Download:
        """The one that is under way, or a new one, which goes on when whoever wanted it has gone."""
        download = self._downloads.get((name, digest))
        if download is None:
            asking = self._asking
            download = self._downloads[name, digest] = Download(
                self._registry.content,
                digest,
                size,
                place.upstream.url,
                lambda: asking.ask(place, lambda repository: repository.blob_size(digest)),
            )
            running = download.run(
                asking.hub, asking.slots(place), asking.source(place, digest), lambda: self._record(name, digest, size)
            )
            task = self._tasks.start(f"fetch {digest}", running)
            task.add_done_callback(lambda _: self._downloads.pop((name, digest), None))
        return download

    async def _record(self, name: str, digest: str, size: int) -> None:
        blob = records.Blob(size, self._registry.clock.now())
        await self._registry.repositories.change({records.blob_key(name, digest): blob})

    # Lists.

    async def tags(self, call: Call, place: Place) -> list[str]:
        """All that the upstream has; while it is silent, those that are kept."""
        repository = self._registry.repositories.get(call.name)
        try:
            return sorted(await self._asking.ask(place, lambda there: there.tags()))
        except NotFound as error:
            raise Fault("NAME_UNKNOWN", f"{place.upstream.url}: {error.message}") from None
        except CorralError as error:
            if repository is None:
                raise failed(place, error) from None
            return sorted(repository.tags)

    async def referrers(self, call: Call, place: Place) -> list[dict[str, Any]] | None:
        """The descriptors that the upstream has; None if it cannot say."""
        try:
            return referrers_in(await self._asking.ask(place, lambda there: there.referrers(call.item)))
        except (CorralError, Fault) as error:
            log.info("referrers of %s in %s: %s", call.item, call.name, error)
            return None


def referrers_in(index: bytes) -> list[dict[str, Any]]:
    """Pure: the descriptors of an index that an upstream gave, without what is none. Fault if it is no index.

    >>> referrers_in(b'{"manifests": [{"digest": "sha256:0", "size": 1, "mediaType": "a"}, 5]}')
    []
    """
    try:
        entries = json.loads(index)["manifests"]
        found = [{name: one[name] for name in _DESCRIPTOR if name in one} for one in entries if isinstance(one, dict)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Fault("MANIFEST_INVALID", f"no list of referrers: {error}") from None
    return [one for one in found if _is_descriptor(one)]


def _is_descriptor(found: dict[str, Any]) -> bool:
    return (
        is_digest(str(found.get("digest")))
        and {"mediaType", "size"} <= set(found)
        and all(isinstance(value, _DESCRIPTOR[name]) for name, value in found.items())
        and all(isinstance(text, str) for text in found.get("annotations", {}).values())
    )


def size_in(manifest: bytes, digest: str) -> int:
    """Pure: how large a manifest, which was parsed when it came, says that a blob is; -1 if it does not name it.

    >>> size_in(b'{"config": {"digest": "a", "size": 5}, "layers": [{"digest": "b", "size": 7}]}', "b")
    7
    """
    root = json.loads(manifest)
    lists = (root.get(name) or [] for name in ("layers", "blobs", "manifests"))
    named = [root.get("config") or {}, *(one for found in lists for one in found)]
    return next((int(one["size"]) for one in named if one.get("digest") == digest), -1)
