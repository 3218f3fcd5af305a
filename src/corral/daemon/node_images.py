"""Images of the engine next door: nodes on one machine have what any `build` or `pull` there has brought."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from corral.daemon.listeners import reachable
from corral.errors import CorralError

if TYPE_CHECKING:
    from corral.cluster.kubelet.images import Borrow
    from corral.engine.engine import Engine

log = logging.getLogger("corral.daemon")

CHUNK: Final = 1 << 20
SECONDS: Final = 60.0  # without a byte


class _Neighbour(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self._path)


def lend_from(engine: Engine, path: str) -> Borrow:
    """Asks the engine at the socket `path`, "" for none. An image that it does not have is no error."""

    place = reachable(path) if path else ""

    async def borrow(name: str) -> bool:
        if not place:
            return False
        connection = _Neighbour(place)
        try:
            answer = await asyncio.to_thread(_ask, connection, name)
            if answer is None:
                return False
            async with contextlib.aclosing(engine.images.load(_pieces(answer))) as loaded:
                async for _ in loaded:
                    log.info("image %s came from the engine next door", name)
            return True
        except (OSError, http.client.HTTPException, CorralError) as error:
            log.warning("image %s from the engine next door: %s", name, error)
            return False
        finally:
            connection.close()

    return borrow


def _ask(connection: _Neighbour, name: str) -> http.client.HTTPResponse | None:
    connection.request("GET", f"/images/{quote(name, safe='/:@')}/get")
    answer = connection.getresponse()
    return answer if answer.status == 200 else None


async def _pieces(answer: http.client.HTTPResponse) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(answer.read, CHUNK):
        yield data
