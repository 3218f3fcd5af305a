"""A client of HTTPS that costs little: requests are bytes made beforehand, answers are counted, not understood."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

import yaml

JSON = "application/json"


class Connection(asyncio.Protocol):
    """One kept connection; one request at a time. An answer is (status, body)."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0 or self._waiting is None:
            return
        found = self._data[:head].lower().partition(b"content-length:")[2]
        end = head + 4 + int(found.partition(b"\r\n")[0])
        if len(self._data) >= end:
            waiting, self._waiting = self._waiting, None
            body = bytes(self._data[head + 4 : end])
            status = int(self._data[9:12])
            del self._data[:end]
            waiting.set_result((status, body))

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the server has hung up"))

    async def ask(self, request: bytes, wanted: int = 0) -> bytes:
        """The body. AssertionError: another status than `wanted` (0: any success)."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        status, body = await self._waiting
        assert status == wanted or (not wanted and status < 300), (status, body[:500])
        return body

    def close(self) -> None:
        self._transport.close()


class Address:
    """Where a kubeconfig leads to, and who one is there."""

    def __init__(self, kubeconfig: Path) -> None:
        found = yaml.safe_load(kubeconfig.read_text())
        cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
        self.host, _, port = cluster["server"].removeprefix("https://").rpartition(":")
        self.port = int(port)
        self.context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]).decode())
        with tempfile.TemporaryDirectory() as folder:
            identity = Path(folder, "identity.pem")
            with open(os.open(identity, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
            self.context.load_cert_chain(identity)

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(Connection, self.host, self.port, ssl=self.context)
        return made

    async def watch(self, path: str) -> asyncio.StreamReader:
        """The lines of a watch, after its head."""
        reader, writer = await asyncio.open_connection(
            self.host, self.port, ssl=self.context, server_hostname=self.host, limit=1 << 20
        )
        writer.write(request("GET", path))
        assert (await reader.readline()).split()[1] == b"200"
        while (await reader.readline()).strip():
            pass
        reader.writer = writer  # type: ignore[attr-defined]  # a stream ends with its writer
        return reader


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def request(method: str, path: str, body: Any = None, media: str = JSON) -> bytes:
    """Pure.

    >>> request("GET", "/version")
    b'GET /version HTTP/1.1\\r\\nHost: bench\\r\\nAccept: application/json\\r\\n\\r\\n'
    """
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAccept: {JSON}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    data = json.dumps(body).encode()
    return f"{head}Content-Type: {media}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
