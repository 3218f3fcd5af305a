"""One call of gRPC on a connection of its own: a message out, a message back (RFC 9113, and gRPC over HTTP/2)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import unquote

from hpack import Decoder, HPACKError

from corral.errors import CorralError

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GO_AWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
PRIORITY: Final = 0x20
ROOM: Final = 16 << 20  # bytes that an answer may have
CODES: Final = (
    "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted "
    "FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated".split()
)


class CallFailed(CorralError):
    """There is no answer, in gRPC's words."""

    def __init__(self, code: int, text: str) -> None:
        name = CODES[code] if 0 <= code < len(CODES) else f"Code({code})"
        super().__init__(f"rpc error: code = {name} desc = {text}")
        self.code, self.text = code, text


# What an answer means that is none of gRPC, by its HTTP status; any other is Unknown.
OF_HTTP: Final = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
RESETS: Final = (
    "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR "
    "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split()
OF_RESET: Final = {7: 14, 8: 1, 11: 8, 12: 7}  # any other is Internal


def no_grpc(headers: Mapping[str, str]) -> CallFailed:
    """Pure: how a call went whose answer speaks no gRPC, in the words of gRPC's own client.

    >>> str(no_grpc({":status": "404", "content-type": "text/plain"})).partition(" desc = ")[0]
    'rpc error: code = Unimplemented'
    >>> no_grpc({":status": "200"}).text
    'unexpected HTTP status code received from server: 200 (OK); malformed header: missing HTTP content-type'
    """
    said, kind = headers.get(":status", ""), headers.get("content-type", "")
    status = int(said) if said.isascii() and said.isdigit() else 0
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    about = (
        f'transport: received unexpected content-type "{kind}"'
        if kind
        else "malformed header: missing HTTP content-type"
    )
    text = f"unexpected HTTP status code received from server: {status} ({phrase}); {about}"
    return CallFailed(OF_HTTP.get(status, 2), text if status else "malformed header: missing HTTP status")


def was_reset(code: int) -> CallFailed:
    """Pure.

    >>> str(was_reset(8))
    'rpc error: code = Canceled desc = stream terminated by RST_STREAM with error code: CANCEL'
    """
    name = RESETS[code] if code < len(RESETS) else f"unknown error code 0x{code:x}"
    return CallFailed(OF_RESET.get(code, 13), f"stream terminated by RST_STREAM with error code: {name}")


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def encode(frame: Frame) -> bytes:
    """Pure.

    >>> encode(Frame(SETTINGS, ACK, 0, b"")).hex()
    '000000040100000000'
    """
    head = struct.pack(">I", len(frame.payload))[1:] + struct.pack(">BBI", frame.kind, frame.flags, frame.stream)
    return head + frame.payload


def frames(buffer: bytearray) -> Iterator[Frame]:
    """Takes the whole frames off the buffer.

    >>> [frame.kind for frame in frames(bytearray(encode(Frame(PING, 0, 0, bytes(8))) + b"\\0"))]
    [6]
    """
    while len(buffer) >= 9:
        size = int.from_bytes(buffer[:3], "big")
        if len(buffer) < 9 + size:
            return
        kind, flags, stream = struct.unpack(">BBI", buffer[3:9])
        payload = bytes(buffer[9 : 9 + size])
        del buffer[: 9 + size]
        yield Frame(kind, flags, stream & 0x7FFFFFFF, payload)


def _text(value: bytes) -> bytes:
    """HPACK: a text as it is, without Huffman's code."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, size = len(value) - 127, bytearray([127])
    while rest >= 128:
        size.append(rest % 128 + 128)
        rest //= 128
    return bytes(size) + bytes([rest]) + value


def header_block(path: str, authority: str, agent: str) -> bytes:
    """Pure: the headers of a call, each written out and not to be remembered (RFC 7541, 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": authority,
        "content-type": "application/grpc",
        "te": "trailers",
        "user-agent": agent,
    }
    return b"".join(b"\0" + _text(name.encode()) + _text(value.encode()) for name, value in fields.items())


def without_padding(frame: Frame) -> bytes:
    if not frame.flags & PADDED:
        return frame.payload
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]


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
        if frame.kind == GO_AWAY and not int.from_bytes(frame.payload[:4], "big") & 0x7FFFFFFF:
            raise CallFailed(14, "the connection is draining")  # and our call is none of those that it still answers
        if frame.stream != 1:
            return
        if frame.kind == DATA:
            self.message += without_padding(frame)
        elif frame.kind in (HEADERS, CONTINUATION):
            self._headers(frame)
        elif frame.kind == RESET:
            raise was_reset(int.from_bytes(frame.payload[:4], "big"))
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
            raise no_grpc(self.headers)
        if status != "0":
            code = int(status) if status.isdigit() else 2
            raise CallFailed(code, unquote(self.headers.get("grpc-message", "")))
        if len(self.message) < 5:
            return b""
        if self.message[0]:
            raise CallFailed(12, "the answer is compressed, which was not asked for")
        return bytes(self.message[5 : 5 + struct.unpack(">I", self.message[1:5])[0]])


async def exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    sent: bytes,
    hears: Callable[[], None] = lambda: None,
    most: int = ROOM,
) -> bytes:
    """Sends what a call begins with; its answer's message. `hears`: called when the other side has begun to speak
    HTTP/2; `most`: how many bytes are read of it. CallFailed, OSError."""
    writer.write(sent)
    reply, buffer, read = Reply(), bytearray(), 0
    while not reply.over:
        chunk = await reader.read(65536)
        if not chunk:
            raise CallFailed(14, "error reading from server: EOF")
        read += len(chunk)
        if read > most:
            raise CallFailed(8, f"the answer has more than {most} bytes")
        buffer += chunk
        for frame in frames(buffer):
            if frame.kind == SETTINGS:
                hears()
            if frame.kind in (SETTINGS, PING) and not frame.flags & ACK:
                writer.write(encode(Frame(frame.kind, ACK, 0, frame.payload if frame.kind == PING else b"")))
            else:
                reply.take(frame)
    return reply.result()
