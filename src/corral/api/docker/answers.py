"""Answers in the forms that the API knows: JSON, nothing at all, a stream of JSON messages, a tar stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec

from corral.http.message import ClientGone, Request, Response, StreamResponse

T = TypeVar("T")
JSON = {"Content-Type": "application/json"}
TAR = {"Content-Type": "application/x-tar"}
_encoder = msgspec.json.Encoder()


def reply(value: Any, status: int = 200) -> Response:
    """A JSON answer, with the line feed that dockerd puts behind it."""
    return Response(status, JSON, _encoder.encode(value) + b"\n")


def done(status: int = 204) -> Response:
    """It worked, and there is nothing to say."""
    return Response(status)


def message(**fields: Any) -> bytes:
    """One message of a progress stream.

    >>> message(stream="Loaded image: busybox:latest\\n")
    b'{"stream":"Loaded image: busybox:latest\\\\n"}\\r\\n'
    """
    return _encoder.encode(fields) + b"\r\n"


def failure(text: str) -> bytes:
    """An error inside a stream whose head, a success, is out already."""
    return message(errorDetail={"message": text}, error=text)


async def while_there(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`, which is for this client alone: one who leaves ends it. Raises ClientGone."""
    result: asyncio.Future[T] = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.disconnected.wait())
    try:
        await asyncio.wait((result, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not result.done():
            result.cancel()
            await asyncio.gather(result, return_exceptions=True)
    if result.cancelled():
        raise ClientGone("the client has gone")
    return result.result()


async def first(request: Request, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The pieces, the first of which is there; a client that leaves before that ends the work. Raises ClientGone."""
    try:
        piece = await while_there(request, anext(pieces, b""))
    except BaseException:
        await pieces.aclose()
        raise
    return _from(piece, pieces)


async def _from(piece: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        if piece:
            yield piece
        async for piece in pieces:
            yield piece


async def primed(chunks: AsyncIterator[bytes], headers: dict[str, str]) -> StreamResponse:
    """A stream whose first piece is there: what fails before it is still an error of its own."""
    first = await anext(chunks, b"")

    async def all_of_it() -> AsyncIterator[bytes]:
        if first:
            yield first
        async for chunk in chunks:
            yield chunk

    return StreamResponse(all_of_it(), 200, headers)
