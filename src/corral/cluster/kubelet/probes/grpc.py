"""Asking by gRPC's health protocol (grpc.health.v1). Follows pkg/probe/grpc, in whose words the answers are."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import Final

from corral.cluster.kubelet.grpc_wire import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    CallFailed,
    Frame,
    encode,
    exchange,
    header_block,
)
from corral.cluster.kubelet.probes.answer import Answer
from corral.cluster.kubelet.times import duration
from corral.kit.timeouts import fair_timeout

PATH: Final = "/grpc.health.v1.Health/Check"
STATUSES: Final = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
AGAIN_SECONDS: Final = 1.0  # after a connection that came to nothing: gRPC's first pause
MOST: Final = 1 << 20  # bytes that are read of an answer
UNIMPLEMENTED: Final = 12


def plan_headers(authority: str) -> bytes:
    """Pure: the request's headers."""
    return header_block(PATH, authority, "kube-probe/1.37")


def plan_message(service: str) -> bytes:
    """Pure: HealthCheckRequest with gRPC's five bytes in front.

    >>> plan_message("a").hex()
    '00000000030a0161'
    """
    name = service.encode()
    body = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + struct.pack(">I", len(body)) + body


def _varint(number: int) -> bytes:
    """
    >>> _varint(5).hex(), _varint(300).hex()
    ('05', 'ac02')
    """
    found = bytearray()
    while number >= 128:
        found.append(number % 128 + 128)
        number //= 128
    return bytes(found) + bytes([number])


def parse_message(body: bytes) -> int:
    """Pure: the status in a HealthCheckResponse.

    >>> parse_message(bytes.fromhex("0801")), parse_message(b"")
    (1, 0)
    """
    return body[1] if len(body) >= 2 and body[0] == 8 else 0


class _Connected:
    """Whether somebody at the other end speaks HTTP/2: before that there is no connection for gRPC."""

    def __init__(self) -> None:
        self.yes = False

    def tell(self) -> None:
        self.yes = True


async def ask(host: str, port: int, service: str, timeout: float) -> Answer:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    connected = _Connected()
    try:
        async with fair_timeout(timeout):
            return judged(await _call(host, port, place, service, connected))
    except TimeoutError:
        return late(place, timeout, connected=connected.yes)
    except CallFailed as failed:
        return unanswered(failed)


async def _call(host: str, port: int, place: str, service: str, connected: _Connected) -> bytes:
    """A connection that is not made is tried again, as long as the probe has time. CallFailed."""
    request = [
        Frame(SETTINGS, 0, 0, b""),
        Frame(HEADERS, END_HEADERS, 1, plan_headers(place)),
        Frame(DATA, END_STREAM, 1, plan_message(service)),
    ]
    sent = PREFACE + b"".join(encode(frame) for frame in request)
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return await exchange(reader, writer, sent, connected.tell, MOST)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        except (OSError, CallFailed) as error:
            if connected.yes:
                raise error if isinstance(error, CallFailed) else CallFailed(14, _reading(error)) from error
        await asyncio.sleep(AGAIN_SECONDS)


def _reading(error: OSError) -> str:
    return f"error reading from server: {(error.strerror or str(error)).lower()}"


def late(place: str, timeout: float, *, connected: bool) -> Answer:
    """Pure: what ran out of time.

    >>> late("10.0.0.2:80", 1, connected=True).output
    'timeout: health rpc did not complete within 1s'
    """
    if connected:
        return Answer(False, f"timeout: health rpc did not complete within {duration(timeout)}")
    within = f"within {duration(timeout)}: context deadline exceeded"
    return Answer(False, f'timeout: failed to connect service "{place}" {within}')


def unanswered(failed: CallFailed) -> Answer:
    """Pure: what the server said instead of a status.

    >>> unanswered(CallFailed(5, "unknown service")).output
    'error: health rpc probe failed: rpc error: code = NotFound desc = unknown service'
    """
    if failed.code == UNIMPLEMENTED:
        about = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return Answer(False, f"error: {about}: {failed.text}")
    return Answer(False, f"error: health rpc probe failed: {failed.message}")


def judged(message: bytes) -> Answer:
    """Pure.

    >>> judged(bytes.fromhex("0802")).output
    'service unhealthy (responded with "NOT_SERVING")'
    """
    status = parse_message(message)
    if status == 1:
        return Answer(True, "service healthy")
    return Answer(False, f'service unhealthy (responded with "{STATUSES.get(status, status)}")')
