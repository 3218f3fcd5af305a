"""Answers in the forms that the API knows: JSON, nothing at all, a stream of JSON messages, a tar stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from corral.http.message import Response, StreamResponse

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


async def primed(chunks: AsyncIterator[bytes], headers: dict[str, str]) -> StreamResponse:
    """A stream whose first piece is there: what fails before it is still an error of its own."""
    first = await anext(chunks, b"")

    async def all_of_it() -> AsyncIterator[bytes]:
        if first:
            yield first
        async for chunk in chunks:
            yield chunk

    return StreamResponse(all_of_it(), 200, headers)
