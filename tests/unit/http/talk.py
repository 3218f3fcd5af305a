"""How the tests of the server speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from corral.http.message import Answer, Hijack, Request, Response
from corral.http.stream import Stream

Serve = Callable[..., Awaitable[str]]
GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


async def talk(path: str, *sent: bytes, eof: bool = True) -> bytes:
    """Everything the server says to these bytes, until it closes."""
    reader, writer = await asyncio.open_unix_connection(path)
    for data in sent:
        writer.write(data)
        await writer.drain()
    if eof:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def echo(request: Request) -> Answer:
    return Response(200, {"X-Path": request.path}, await request.body())


def bodies(answer: bytes) -> list[bytes]:
    """The bodies of a sequence of sized answers."""
    found = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        size = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        found.append(rest[:size])
        answer = rest[size:]
    return found


async def upper(stream: Stream) -> None:
    while data := await stream.read():
        await stream.write(data.upper())
    await stream.write(b"END")


async def hijack(request: Request) -> Answer:
    await request.body()
    return Hijack(upper, 101, {"Connection": "Upgrade", "Upgrade": "tcp"}, "UPGRADED")


UPGRADE = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}"
