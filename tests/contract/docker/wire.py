"""A client of the Docker API that shows every byte of an answer."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from corral.model.container import ContainerSpec
from tests.support.fake_engine import FakeEngine

UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"


class Api:
    """The server, the engine behind it, and a client that shows everything."""

    def __init__(self, engine: FakeEngine, path: str) -> None:
        self.engine, self.path = engine, path

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def talk(self, data: bytes, *, eof: bool = True) -> bytes:
        reader, writer = await self.connect()
        writer.write(data)
        if eof:
            writer.write_eof()
        try:
            return await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "" if body is None else "Content-Type: application/json\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: d\r\n{kind}Content-Length: {len(data)}\r\n\r\n"
        return Answer(await self.talk(head.encode() + data), method)

    async def container(self, *command: str, start: bool = True, **spec: Any) -> str:
        created = await self.engine.containers.create(ContainerSpec("busybox", command=list(command), **spec))
        if start:
            await self.engine.containers.start(created.id)
        return str(created.id)


class Answer:
    """One answer, taken apart."""

    def __init__(self, data: bytes, method: str = "GET") -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.line = lines[0]
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if "chunked" in self.headers.get("transfer-encoding", "") and method != "HEAD":
            self.body = unchunk(self.body)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


def unchunk(data: bytes) -> bytes:
    pieces = []
    while data:
        size, _, data = data.partition(b"\r\n")
        pieces.append(data[: int(size, 16)])
        data = data[int(size, 16) + 2 :]
    return b"".join(pieces)


def frames(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        assert data[at + 1 : at + 4] == b"\0\0\0"
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "big")
        found.append((data[at], data[at + 8 : end]))
        at = end
    return found


def now_text() -> str:
    return f"{time.time():.6f}"


async def until(look: Any) -> None:
    while not look():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
