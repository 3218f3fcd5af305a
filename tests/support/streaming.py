"""Clients of streams, byte for byte: web sockets and SPDY over TLS, as Kubernetes' clients use them."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Mapping

from corral.http.spdy.frames import Data, Frame, Parser, Reset, SynReply, Writer
from corral.http.websocket import BINARY, CLOSE, PING, PONG, TEXT, accept_key, unmask


class Refused(Exception):
    """The server did not switch protocols."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body!r}")
        self.status, self.body = status, body


class Upgraded:
    """A connection that has left HTTP. `headers` of the answer, names in lower case."""

    def __init__(
        self, port: int, context: ssl.SSLContext, path: str, headers: Mapping[str, str | list[str]], method: str = "GET"
    ) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket = context.wrap_socket(raw, server_hostname="127.0.0.1")
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        for name, value in headers.items():
            lines += [f"{name}: {one}" for one in ([value] if isinstance(value, str) else value)]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        status = int(first.split()[1])
        pairs = (line.partition(": ") for line in rest)
        self.headers = {name.lower(): value for name, _, value in pairs}
        if status != 101:
            size = int(self.headers.get("content-length", 0))
            while len(self.buffer) < size:
                self.more()
            self.socket.close()
            raise Refused(status, self.buffer)

    def more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.more()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def close(self) -> None:
        self.socket.close()


class SocketClient(Upgraded):
    """A web socket. `receive` gives (opcode, message)."""

    def __init__(
        self, port: int, context: ssl.SSLContext, path: str, *protocols: str, headers: Mapping[str, str] | None = None
    ) -> None:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            **(headers or {}),
        }
        if protocols:
            asked["Sec-WebSocket-Protocol"] = ", ".join(protocols)
        super().__init__(port, context, path, asked)
        assert self.headers["sec-websocket-accept"] == accept_key(key)

    def send(self, data: bytes, opcode: int = BINARY, *, last: bool = True) -> None:
        mask = os.urandom(4)
        size = len(data)
        if size < 126:
            length = bytes((0x80 | size,))
        else:
            length = b"\xfe" + struct.pack(">H", size) if size < 65536 else b"\xff" + struct.pack(">Q", size)
        self.socket.sendall(bytes(((0x80 if last else 0) | opcode,)) + length + mask + unmask(data, mask))

    def receive(self) -> tuple[int, bytes]:
        first, size = self.take(2)
        if size == 126:
            (size,) = struct.unpack(">H", self.take(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.take(8))
        return first & 0x0F, self.take(size)

    def ping(self) -> None:
        self.send(b"?", PING)
        assert self.receive() == (PONG, b"?")

    def all(self) -> dict[int, bytes]:
        """What comes on each channel until the server closes, with an ordinary code."""
        found: dict[int, bytes] = {}
        while True:
            opcode, data = self.receive()
            if opcode == CLOSE:
                assert data == struct.pack(">H", 1000)
                return found
            assert opcode in (BINARY, TEXT)
            channel = data[0] if opcode == BINARY else data[0] - 48
            found[channel] = found.get(channel, b"") + data[1:]


class SpdyClient:
    """SPDY on an upgraded connection, or in the messages of a web socket."""

    def __init__(self, below: Upgraded) -> None:
        self._below, self._writer, self._parser = below, Writer(), Parser()
        self._next = 1

    def _send(self, data: bytes) -> None:
        if isinstance(self._below, SocketClient):
            self._below.send(data)
        else:
            self._below.socket.sendall(data)

    def open(self, fin: bool = False, **headers: str) -> int:
        stream, self._next = self._next, self._next + 2
        self._send(self._writer.syn_stream(stream, headers.items(), fin=fin))
        return stream

    def write(self, stream: int, data: bytes = b"", *, fin: bool = False) -> None:
        self._send(self._writer.data(stream, data, fin=fin))

    def reset(self, stream: int) -> None:
        self._send(self._writer.reset(stream, 5))

    def ping(self, number: int) -> None:
        self._send(self._writer.ping(number))

    def frame(self) -> Frame:
        while (found := self._parser.next_frame()) is None:
            if isinstance(self._below, SocketClient):
                opcode, data = self._below.receive()
                if opcode == CLOSE:
                    raise EOFError
                self._parser.receive(data)
            else:
                if not self._below.buffer:
                    self._below.more()
                self._parser.receive(self._below.take(len(self._below.buffer)))
        return found

    def until_ended(self, *streams: int) -> dict[int, bytes]:
        """What comes on these streams until each has ended."""
        found, open = dict.fromkeys(streams, b""), set(streams)
        while open:
            frame = self.frame()
            if isinstance(frame, Data):
                found[frame.stream] += frame.data
                if frame.fin:
                    open.discard(frame.stream)
            elif isinstance(frame, Reset):
                raise AssertionError(frame)
            else:
                assert isinstance(frame, SynReply), frame
        return found

    def close(self) -> None:
        self._below.close()


def spdy(port: int, context: ssl.SSLContext, path: str, *protocols: str) -> Upgraded:
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": list(protocols)}
    return Upgraded(port, context, path, headers, "POST")
