"""Transfers: images from and to registries, as the engine offers them: told as events when they are done."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from corral.engine.parts import Parts
from corral.images.platforms import split_platform
from corral.images.references import Reference, parse
from corral.images.remote.download import source_url
from corral.images.remote.names import pull_reference, push_reference
from corral.model.transfer import ANYBODY, Credentials, Description, Hit, Note


class Transfers:
    """`pull` and `push` give notes on their progress; closing them cancels what nobody else waits for."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def pull(
        self, name: str, tag: str = "", *, platform: str = "", credentials: Credentials = ANYBODY
    ) -> AsyncGenerator[Note, None]:
        """`tag` may be a digest; without either, all tags. InvalidInput, Forbidden at once."""
        ref = pull_reference(name, tag)
        if platform:
            split_platform(platform)  # before a registry is asked
        return self._told("pull", ref, self._parts.images.remote.pull(ref, platform=platform, credentials=credentials))

    def push(
        self, name: str, tag: str = "", *, platform: str = "", credentials: Credentials = ANYBODY
    ) -> AsyncGenerator[Note, None]:
        """Without a tag, all tags of the repository. InvalidInput at once."""
        ref = push_reference(name, tag)
        return self._told("push", ref, self._parts.images.remote.push(ref, platform=platform, credentials=credentials))

    async def login(self, credentials: Credentials) -> str:
        """Are they good? The identity token to use from now on, "" if the registry gives none."""
        return await self._parts.images.remote.login(credentials)

    async def search(self, term: str, limit: int, credentials: Credentials = ANYBODY) -> list[Hit]:
        """Repositories of a registry whose names have a word in them."""
        return await self._parts.images.remote.search(term, limit, credentials)

    async def describe(self, name: str, credentials: Credentials = ANYBODY) -> Description:
        """What a registry has under a name, without pulling it."""
        return await self._parts.images.remote.describe(parse(name).tagged(), credentials)

    def download(self, source: str) -> tuple[str, AsyncGenerator[bytes, None]]:
        """The whole URL that is meant, and what is behind it. InvalidInput at once."""
        url = source_url(source)
        return url, self._parts.images.remote.download(url)

    async def _told(self, action: str, ref: Reference, notes: AsyncGenerator[Note, None]) -> AsyncGenerator[Note, None]:
        async with aclosing(notes):
            async for note in notes:
                yield note
        self._parts.events.publish("image", action, ref.familiar, {"name": ref.familiar_name})
