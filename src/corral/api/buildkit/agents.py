"""Agents: a socket here that leads to the ssh agent of a client, each connection by a call of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from corral.api.buildkit.schema import message, parse
from corral.build.agents import PIECE, listening
from corral.http.grpc.calls import calling
from corral.http.grpc.flow import Flow
from corral.http.grpc.link import Link
from corral.http.grpc.status import GrpcError

FORWARD: Final = "/moby.sshforward.v1.SSH/ForwardAgent"


@asynccontextmanager
async def serve_agent(link: Link, id: str, path: str) -> AsyncIterator[None]:
    """A socket at `path`, for the while."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(GrpcError):  # the client has gone
            async with calling(link, FORWARD, {"buildkit.ssh.id": [id]}) as flow:
                await asyncio.gather(_out(reader, flow), _in(flow, writer))

    async with listening(path, lead):
        yield


async def _out(reader: asyncio.StreamReader, flow: Flow) -> None:
    while data := await reader.read(PIECE):
        await flow.send(message("BytesMessage", data=data).SerializeToString())
    await flow.end()


async def _in(flow: Flow, writer: asyncio.StreamWriter) -> None:
    while (data := await flow.receive()) is not None:
        writer.write(parse("BytesMessage", data).data)
        await writer.drain()
    writer.write_eof()
