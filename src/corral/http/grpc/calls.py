"""Calls: we call the other side's methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from corral.http.grpc.flow import Flow
from corral.http.grpc.link import Link
from corral.http.grpc.status import Headers

Metadata = Mapping[str, Sequence[str]]


def request_headers(path: str, metadata: Metadata) -> Headers:
    """Pure.

    >>> request_headers("/a.B/C", {"dir-name": ["context"]})[-1]
    ('dir-name', 'context')
    """
    found = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
        "user-agent": "corral",
    }
    return [*found.items(), *((name, value) for name, values in metadata.items() for value in values)]


@asynccontextmanager
async def calling(link: Link, path: str, metadata: Metadata | None = None) -> AsyncIterator[Flow]:
    """A call with any number of messages both ways, given up where the block ends before it does. GrpcError."""
    flow = await link.open(request_headers(path, metadata or {}))
    try:
        yield flow
    finally:
        await flow.close()


async def call(link: Link, path: str, message: bytes, metadata: Metadata | None = None) -> bytes:
    """A message out, a message back. GrpcError."""
    async with calling(link, path, metadata) as flow:
        await flow.send(message, last=True)
        answer = await flow.receive()
        if answer is None:
            flow.check()
            return b""
        await flow.receive()
        flow.check()
        return answer
