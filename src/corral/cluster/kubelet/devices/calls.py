"""One call of gRPC over a unix socket: plugins come and go, and are asked seldom."""

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
    ROOM,
    SETTINGS,
    CallFailed,
    Frame,
    encode,
    exchange,
    header_block,
)

WINDOW_UPDATE: Final = 8
CHUNK: Final = 16384  # bytes of one frame
INITIAL_WINDOW: Final = 4


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
                return await exchange(reader, writer, plan_call(path, message))
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
