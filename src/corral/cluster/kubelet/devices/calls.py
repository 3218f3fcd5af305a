"""One call of gRPC over a unix socket: a message out, a message back (RFC 9113, and gRPC over HTTP/2).

Each call has a connection of its own: plugins come and go, and are asked seldom.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from hpack import Decoder, HPACKError

from corral.cluster.kubelet.probes.grpc import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GO_AWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    Frame,
    encode,
    frames,
    header_block,
    without_padding,
)
from corral.errors import CorralError

WINDOW_UPDATE: Final = 8
PRIORITY: Final = 0x20
ROOM: Final = 16 << 20  # bytes that an answer may have
CHUNK: Final = 16384  # bytes of one frame
INITIAL_WINDOW: Final = 4
CODES: Final = (
    "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted "
    "FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated".split()
)


class CallFailed(CorralError):
    """There is no answer, in gRPC's words."""

    def __init__(self, code: int, text: str) -> None:
        name = CODES[code] if 0 <= code < len(CODES) else f"Code({code})"
        super().__init__(f"rpc error: code = {name} desc = {text}")


@dataclass
class Reply:
    """What comes back, frame by frame. Pure."""

    message: bytearray = field(default_factory=bytearray)
    headers: dict[str, str] = field(default_factory=dict)
    over: bool = False
    _decoder: Decoder = field(default_factory=Decoder)
    _block: bytearray = field(default_factory=bytearray)

    def take(self, frame: Frame) -> None:
        """CallFailed."""
        if frame.kind == GO_AWAY and not self.over:
            raise CallFailed(14, "the plugin has ended the connection")
        if frame.stream != 1:
            return
        if frame.kind == DATA:
            self.message += without_padding(frame)
        elif frame.kind in (HEADERS, CONTINUATION):
            self._headers(frame)
        elif frame.kind == RESET:
            raise CallFailed(14, "the plugin has given up the call")
        if frame.kind in (DATA, HEADERS) and frame.flags & END_STREAM:
            self.over = True

    def _headers(self, frame: Frame) -> None:
        block = without_padding(frame) if frame.kind == HEADERS and frame.flags & PADDED else frame.payload
        self._block += block[5:] if frame.kind == HEADERS and frame.flags & PRIORITY else block
        if not frame.flags & END_HEADERS:
            return
        try:
            self.headers |= {str(name): str(value) for name, value in self._decoder.decode(bytes(self._block))}
        except HPACKError as error:
            raise CallFailed(13, f"headers that make no sense: {error}") from error
        self._block.clear()

    def result(self) -> bytes:
        """The message. CallFailed."""
        status = self.headers.get("grpc-status")
        if status is None:
            raise CallFailed(14, f"the plugin does not speak gRPC: HTTP status {self.headers.get(':status', 'none')}")
        if status != "0":
            code = int(status) if status.isdigit() else 2
            raise CallFailed(code, unquote(self.headers.get("grpc-message", "")))
        if len(self.message) < 5:
            return b""
        if self.message[0]:
            raise CallFailed(12, "the answer is compressed, which was not asked for")
        return bytes(self.message[5 : 5 + struct.unpack(">I", self.message[1:5])[0]])


def plan_call(path: str, message: bytes) -> bytes:
    """Pure: all that is sent at first."""
    body = b"\0" + struct.pack(">I", len(message)) + message
    chunks = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    settings = struct.pack(">HI", INITIAL_WINDOW, ROOM)
    sent = [
        Frame(SETTINGS, 0, 0, settings),
        Frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", ROOM)),
        Frame(HEADERS, END_HEADERS, 1, header_block(path, "localhost", "corral-kubelet")),
        *(Frame(DATA, END_STREAM if chunk is chunks[-1] else 0, 1, chunk) for chunk in chunks),
    ]
    return PREFACE + b"".join(encode(frame) for frame in sent)


async def call(socket: str, path: str, message: bytes, seconds: float) -> bytes:
    """The answer's message. CallFailed."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                return await _exchange(reader, writer, plan_call(path, message))
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        raise CallFailed(4, "context deadline exceeded") from None
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        text = f'connection error: desc = "transport: Error while dialing: dial unix {socket}: connect: {what}"'
        raise CallFailed(14, text) from error


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> bytes:
    writer.write(sent)
    reply, buffer = Reply(), bytearray()
    while not reply.over:
        chunk = await reader.read(65536)
        if not chunk:
            raise CallFailed(14, "the plugin has closed the connection")
        buffer += chunk
        for frame in frames(buffer):
            if frame.kind in (SETTINGS, PING) and not frame.flags & ACK:
                writer.write(encode(Frame(frame.kind, ACK, 0, frame.payload if frame.kind == PING else b"")))
            else:
                reply.take(frame)
        if len(reply.message) > ROOM:
            raise CallFailed(8, f"the answer has more than {ROOM} bytes")
    return reply.result()
