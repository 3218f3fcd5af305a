"""A log through a web socket: each piece is a message, and the end of the log closes it.

Follows k8s.io/streaming/pkg/httpstream/wsstream (Reader). What the client sends says nothing, but that it is there.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

from corral.cluster.streaming.timed import Timed
from corral.http.websocket import WebSocket


async def send_log(wire: Timed, protocol: str, pieces: AsyncIterator[bytes]) -> None:
    """Until the log has ended or the client has left. `protocol` may be one of base64, for browsers."""
    coded = protocol.startswith("base64.")
    socket = WebSocket(wire, text=coded)

    async def tell() -> None:
        async for piece in pieces:
            await socket.write(base64.b64encode(piece) if coded else piece)
        await socket.close()

    async def hear() -> None:
        while await socket.read():
            pass

    try:
        await wire.run(tell(), hear())
    finally:
        if hasattr(pieces, "aclose"):
            await pieces.aclose()
