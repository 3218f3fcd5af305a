"""The door to registries: pull, push, login, search. Made at the first use, see `Images.remote`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from corral.images.platforms import check_platform
from corral.images.references import Reference
from corral.images.remote.caches import Found, find_cache, push_cache
from corral.images.remote.cancel import Cancel
from corral.images.remote.config import RemoteConfig
from corral.images.remote.documents import Blob
from corral.images.remote.download import stream
from corral.images.remote.endpoints import plan_endpoints
from corral.images.remote.hub import Hub
from corral.images.remote.inspecting import describe
from corral.images.remote.login import login
from corral.images.remote.progress import Report
from corral.images.remote.pull import pull_tag
from corral.images.remote.push import Push, chosen
from corral.images.remote.refusal import explain_pull
from corral.images.remote.repository import Repository
from corral.images.remote.search import search
from corral.images.remote.shared import Shared
from corral.images.remote.threads import blocking
from corral.model.transfer import ANYBODY, Credentials, Description, Hit, Note

if TYPE_CHECKING:
    from corral.images.layers import Layer
    from corral.images.library import Images


class Remote:
    """One for each image store. All errors are `CorralError`s."""

    def __init__(self, images: Images, config: RemoteConfig) -> None:
        self._images = images
        self._hub = Hub(images.content, config)
        self._transfers = Shared()

    async def close(self) -> None:
        """Ends what is under way; a pull goes on where it was when it is asked for again."""
        await self._transfers.close()
        self._hub.close()

    def pull(
        self, ref: Reference, *, platform: str = "", credentials: Credentials = ANYBODY
    ) -> AsyncGenerator[Note, None]:
        """A tag, a digest, or without either all tags. The notes of its progress; closing them cancels it, unless
        somebody else has asked for the same."""

        async def work(report: Report) -> None:
            await self._pull(ref, platform, credentials, report)

        return self._transfers.follow(("pull", ref, platform, credentials), work)

    async def _pull(self, ref: Reference, platform: str, credentials: Credentials, report: Report) -> None:
        refs = [ref] if ref.tag or ref.digest else await self._all_tags(ref, credentials)
        changed = [
            await pull_tag(self._images, self._hub, one, platform, credentials, report) for one in refs
        ]  # fmt: skip
        what = "Downloaded newer image for" if any(changed) else "Image is up to date for"
        report(Note(f"Status: {what} {ref.familiar}"))

    def push(
        self, ref: Reference, *, platform: str = "", credentials: Credentials = ANYBODY
    ) -> AsyncGenerator[Note, None]:
        """A tag, or without one all tags of the repository that there are here."""

        async def work(report: Report) -> None:
            report(Note(f"The push refers to repository [{ref.name}]"))
            await self._push(ref, platform, credentials, report)

        return self._transfers.follow(("push", ref, platform, credentials), work)

    async def _push(self, ref: Reference, platform: str, credentials: Credentials, report: Report) -> None:
        images = chosen(self._images, ref)
        for _, image in images:
            check_platform(image, platform, ref.familiar)
        async with self._pushing(ref, credentials, report) as push:
            for one, image in images:
                await push.tag(one, image)

    @asynccontextmanager
    async def _pushing(self, ref: Reference, credentials: Credentials, report: Report) -> AsyncIterator[Push]:
        (endpoint,) = plan_endpoints(ref.domain, self._hub.config, push=True)

        def connect(cancel: Cancel) -> Repository:
            self._hub.forget(endpoint, credentials)
            return Repository(self._hub.session(endpoint, credentials, cancel), ref.path, cancel, push=True)

        push = Push(self._images, self._hub, await blocking("connect", connect), ref.name, report)
        try:
            yield push
        finally:
            await push.close()

    def push_cache(
        self,
        ref: Reference,
        layers: Sequence[Layer],
        describe: Callable[[list[Blob]], bytes],
        *,
        credentials: Credentials = ANYBODY,
    ) -> AsyncGenerator[Note, None]:
        """Layers for later builds (see `caches`); the caller holds them. The notes of its progress."""

        async def work(report: Report) -> None:
            async with self._pushing(ref, credentials, report) as push:
                await push_cache(push, ref, layers, describe, report)

        return self._transfers.follow(("push", object()), work)

    async def find_cache(self, ref: Reference, credentials: Credentials = ANYBODY) -> Found:
        """What a registry has under a name for builds."""
        return await find_cache(self._images, self._hub, ref, credentials)

    async def login(self, credentials: Credentials) -> str:
        """Checks them; the identity token to use from now on, "" if there is none. Unauthorized, RemoteFailed."""
        return await blocking("login", lambda cancel: login(self._hub, credentials, cancel))

    async def search(self, term: str, limit: int, credentials: Credentials = ANYBODY) -> list[Hit]:
        """Repositories whose names have a word in them."""
        return await blocking("search", lambda cancel: search(self._hub, term, limit, credentials, cancel))

    async def describe(self, ref: Reference, credentials: Credentials = ANYBODY) -> Description:
        """What the registry has under a name."""
        return await blocking(
            "describe",
            lambda cancel: describe(self._hub, ref, credentials, cancel),
            lambda refusal: explain_pull(refusal, ref),
        )

    def download(self, url: str) -> AsyncGenerator[bytes, None]:
        """What is behind a URL that belongs to no registry. NotFound, RemoteFailed, …: see `download.get`."""
        return stream(self._hub.wire, url)

    async def _all_tags(self, ref: Reference, credentials: Credentials) -> list[Reference]:
        tags = await blocking(
            "tags",
            lambda cancel: self._hub.tags(ref, credentials, cancel),
            lambda refusal: explain_pull(refusal, ref),
        )
        return [Reference(ref.domain, ref.path, tag) for tag in tags]
