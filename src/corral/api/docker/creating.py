"""`POST /images/create`: a pull, or an import of a root file system that is sent or lies behind a URL."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from corral.api.docker import registries
from corral.api.docker.answers import JSON, failure, message, primed
from corral.api.docker.at import version_of
from corral.api.docker.changes import apply_changes
from corral.api.docker.references import familiar, with_tag
from corral.errors import CorralError
from corral.http.message import Answer, Request, Response
from corral.model.image import Image, ImageConfig

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi


async def image_create(api: DockerApi, request: Request) -> Answer:
    """A pull (`fromImage`), or an import (`fromSrc`)."""
    query = request.query
    if query.get("fromImage"):
        return await registries.pull(api, request)
    source = query.get("fromSrc")
    if source == "-":
        image = await _import(api, request, request.stream())
        return Response(200, JSON, message(status=image.id))
    url, pieces = api.engine.transfers.download(source)
    return await primed(_import_from(api, request, url, pieces), JSON)


async def _import(api: DockerApi, request: Request, chunks: AsyncIterator[bytes]) -> Image:
    query = request.query
    image = await api.engine.images.import_rootfs(
        chunks,
        ref=with_tag(query.get("repo"), query.get("tag")),
        message=query.get("message") or f"Imported from {query.get('fromSrc')}",
        config=apply_changes(ImageConfig(), query.all("changes")),
        platform=query.get("platform") if version_of(request) >= (1, 32) else "",
    )
    for tag in image.tags:
        api.engine.parts.tell_image("tag", image.id, familiar(tag))
    api.engine.parts.tell_image("import", image.id)
    return image


async def _import_from(
    api: DockerApi, request: Request, url: str, pieces: AsyncGenerator[bytes, None]
) -> AsyncIterator[bytes]:
    """The messages. What cannot be had at all is an error before the first; what fails later is the last."""
    async with aclosing(pieces):
        first = await anext(pieces, b"")
        yield message(status=f"Downloading from {url}")
        try:
            image = await _import(api, request, _all_of(first, pieces))
        except CorralError as error:
            yield failure(error.message)
        else:
            yield message(status=image.id)


async def _all_of(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
