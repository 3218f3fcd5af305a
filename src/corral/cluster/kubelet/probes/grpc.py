"""Asking by gRPC's health protocol (grpc.health.v1): as much of HTTP/2 (RFC 9113) as one call needs.

The answer's message alone decides, so headers need not be understood, and there is no HPACK decoder here.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from corral.cluster.kubelet.probes.answer import Answer, refusal
from corral.kit.timeouts import fair_timeout

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GO_AWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
PATH: Final = "/grpc.health.v1.Health/Check"
STATUSES: Final = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
MOST: Final = 1 << 20  # bytes that are read of an answer


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


def plan_headers(authority: str) -> bytes:
    """Pure: the request's headers."""
    return header_block(PATH, authority, "kube-probe/1.37")


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


def plan_message(service: str) -> bytes:
    """Pure: HealthCheckRequest with gRPC's five bytes in front.

    >>> plan_message("a").hex()
    '00000000030a0161'
    """
    name = service.encode()
    body = b"\x0a" + _text(name) if name else b""  # both count in sevens of bits; names are short
    return b"\0" + struct.pack(">I", len(body)) + body


def parse_message(data: bytes) -> int | None:
    """Pure: the status in a HealthCheckResponse; None where there is none in it.

    >>> parse_message(bytes.fromhex("00000000020801")), parse_message(bytes.fromhex("0000000000")), parse_message(b"")
    (1, 0, None)
    """
    if len(data) < 5:
        return None
    body = data[5 : 5 + struct.unpack(">I", data[1:5])[0]]
    return body[1] if len(body) >= 2 and body[0] == 8 else 0


def is_last(frame: Frame) -> bool:
    """Pure: whether nothing more comes of the call."""
    if frame.kind in (DATA, HEADERS):
        return frame.stream == 1 and bool(frame.flags & END_STREAM)
    return frame.kind == GO_AWAY or (frame.kind == RESET and frame.stream == 1)


def without_padding(frame: Frame) -> bytes:
    if not frame.flags & PADDED:
        return frame.payload
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]


async def ask(host: str, port: int, service: str, timeout: float) -> Answer:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        async with fair_timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return await _call(reader, writer, place, service)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return Answer(False, f'timeout: failed to connect service "{place}" within {timeout:g}s: '
                      "context deadline exceeded")  # fmt: skip
    except OSError as error:
        return Answer(False, f'failed to connect service "{place}": {refusal(host, port, error)}')


async def _call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: str, service: str) -> Answer:
    request = [
        Frame(SETTINGS, 0, 0, b""),
        Frame(HEADERS, END_HEADERS, 1, plan_headers(place)),
        Frame(DATA, END_STREAM, 1, plan_message(service)),
    ]
    writer.write(PREFACE + b"".join(encode(frame) for frame in request))
    buffer, message, read = bytearray(), bytearray(), 0
    while read < MOST:
        chunk = await reader.read(65536)
        if not chunk:
            break
        read += len(chunk)
        buffer += chunk
        for frame in frames(buffer):
            if frame.kind in (SETTINGS, PING) and not frame.flags & ACK:
                writer.write(encode(Frame(frame.kind, ACK, 0, frame.payload if frame.kind == PING else b"")))
            elif frame.kind == DATA and frame.stream == 1:
                message += without_padding(frame)
            if is_last(frame):
                return judged(bytes(message))
    return judged(bytes(message))


def judged(message: bytes) -> Answer:
    """Pure.

    >>> judged(bytes.fromhex("00000000020802")).output
    'service unhealthy (responded with "NOT_SERVING")'
    """
    status = parse_message(message)
    if status is None:
        return Answer(False, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)")
    if status == 1:
        return Answer(True, "service healthy")
    return Answer(False, f'service unhealthy (responded with "{STATUSES.get(status, status)}")')
