"""Web sockets (RFC 6455), the server's side: the handshake and the frames, without I/O, and a stream on top.

>>> parser = FrameParser()
>>> parser.receive(bytes.fromhex("8185") + bytes(4) + b"hello")
>>> parser.next_frame()
Frame(opcode=1, payload=b'hello', last=True)
>>> write_frame(BINARY, b"hi")
b'\\x82\\x02hi'
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from contextlib import suppress
from typing import Final, NamedTuple

from corral.errors import InvalidInput
from corral.http.message import ClientGone, Request
from corral.http.stream import Duplex

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LIMIT: Final = 1 << 20


class ProtocolError(Exception):
    """The client does not keep to the protocol. `code` is what the close frame says."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Frame(NamedTuple):
    """`last`: it ends its message."""

    opcode: int
    payload: bytes
    last: bool = True


def accept_key(key: str) -> str:
    """Pure: the answer to the client's challenge.

    >>> accept_key("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID).digest()).decode()


def accept(request: Request, protocol: str = "") -> dict[str, str]:
    """The headers that accept a handshake (status 101), and one of the client's protocols if there is to be one.

    InvalidInput for what is no handshake.
    """
    key = request.header("sec-websocket-key")
    tokens = {token.strip().lower() for token in request.header("connection").split(",")}
    if request.header("upgrade").lower() != "websocket" or "upgrade" not in tokens or not key:
        raise InvalidInput("not a web socket handshake: Upgrade: websocket and Sec-WebSocket-Key are needed")
    if request.header("sec-websocket-version") != "13":
        raise InvalidInput("unsupported web socket version: only 13 is spoken")
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_key(key)}
    return {**headers, "Sec-WebSocket-Protocol": protocol} if protocol else headers


def protocols_of(request: Request) -> list[str]:
    """What the client offers to speak on top, its favourite first."""
    offered = ",".join(request.values("sec-websocket-protocol"))
    return [one.strip() for one in offered.split(",") if one.strip()]


def write_frame(opcode: int, payload: bytes) -> bytes:
    """Pure: one whole message of the server's."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return struct.pack(">BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack(">BBQ", 0x80 | opcode, 127, size) + payload


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Pure: exclusive or with the mask, repeated."""
    size = len(payload)
    whole = mask * (size // 4 + 1)
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole[:size], "big")).to_bytes(size, "big")


class FrameParser:
    """`receive` bytes, ask `next_frame`; None means that more are needed. ProtocolError is final."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._buffer, self._limit = bytearray(), limit

    def receive(self, data: bytes) -> None:
        self._buffer += data

    def next_frame(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        opcode, size = buffer[0] & 0x0F, buffer[1] & 0x7F
        self._check(buffer[0], buffer[1])
        at = 2
        if size >= 126:
            width = 2 if size == 126 else 8
            at += width
            if len(buffer) < at:
                return None
            size = int.from_bytes(buffer[2:at], "big")
        if size > self._limit:
            raise ProtocolError(1009, "message too big")
        if len(buffer) < at + 4 + size:
            return None
        payload = unmask(bytes(buffer[at + 4 : at + 4 + size]), bytes(buffer[at : at + 4]))
        last = bool(buffer[0] & 0x80)
        del buffer[: at + 4 + size]
        return Frame(opcode, payload, last)

    @staticmethod
    def _check(first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            raise ProtocolError(1002, "reserved bits")
        if not second & 0x80:
            raise ProtocolError(1002, "a client's frame must be masked")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise ProtocolError(1002, "unknown opcode")
        if opcode >= CLOSE and (second & 0x7F > 125 or not first & 0x80):
            raise ProtocolError(1002, "bad control frame")


class WebSocket:
    """A stream of bytes in messages. Where they are cut says nothing. A web socket knows no half-close."""

    def __init__(self, stream: Duplex, *, text: bool = False, limit: int = _LIMIT) -> None:
        self._stream, self._limit = stream, limit
        self._opcode = TEXT if text else BINARY
        self._parser = FrameParser(limit)
        self._closed = False
        self.gone = asyncio.Event()

    async def read(self) -> bytes:
        """What has come; b"" when the client has closed, or broken the protocol."""
        while (frame := await self._next()) is not None:
            if frame.payload:
                return frame.payload
        return b""

    async def message(self) -> bytes | None:
        """A whole message, where the cuts do say something; None when the client has closed or broken the protocol."""
        pieces: list[bytes] = []
        size = 0
        while (frame := await self._next()) is not None:
            if bool(pieces) != (frame.opcode == CONTINUATION):
                await self._break(1002)
                return None
            pieces.append(frame.payload)
            size += len(frame.payload)
            if size > self._limit:
                await self._break(1009)
                return None
            if frame.last:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return None

    async def _next(self) -> Frame | None:
        """The next frame with data; those about the connection itself are answered. None at the end."""
        try:
            while not self.gone.is_set():
                frame = self._parser.next_frame()
                if frame is None:
                    data = await self._stream.read()
                    if not data:
                        break
                    self._parser.receive(data)
                elif await self._is_data(frame):
                    return frame
        except ProtocolError as error:
            await self._break(error.code)
        except ClientGone:
            pass
        self.gone.set()
        return None

    async def _is_data(self, frame: Frame) -> bool:
        if frame.opcode == PING:
            await self._stream.write(write_frame(PONG, frame.payload))
        elif frame.opcode == CLOSE:
            await self.close()
            self.gone.set()
        else:
            return frame.opcode != PONG
        return False

    async def _break(self, code: int) -> None:
        """The client has broken the protocol."""
        with suppress(ClientGone):
            await self.close(code)
        self.gone.set()

    async def write(self, data: bytes) -> None:
        """Sends one message. Raises ClientGone."""
        if self.gone.is_set():
            raise ClientGone("the client has gone")
        await self._stream.write(write_frame(self._opcode, data))

    async def close(self, code: int = 1000) -> None:
        """Says that nothing more will come."""
        if not self._closed and not self._stream.gone.is_set():
            self._closed = True
            await self._stream.write(write_frame(CLOSE, struct.pack(">H", code)))
