"""TLS inside a connection to a pod or a kubelet.

Whose certificate a pod shows is not asked: pods have none that anybody has signed. A kubelet's must bear its name.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Final

from corral.cluster.client.nodes import Connection

PIECE: Final = 65536


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Secured:
    """See `Connection`. `open` shakes hands; OSError (ssl.SSLError is one) when that fails.

    `context` and `name`: who is trusted, and the name that the certificate must bear.
    """

    def __init__(self, inner: Connection, context: ssl.SSLContext | None = None, name: str = "") -> None:
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        used = context or client_context()
        self._tls = used.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None)

    @classmethod
    async def open(cls, inner: Connection, context: ssl.SSLContext | None = None, name: str = "") -> Secured:
        made = cls(inner, context, name)
        while True:
            try:
                made._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await made._flush()
                if not await made._receive():
                    raise ConnectionResetError("EOF during the TLS handshake") from None
        await made._flush()
        return made

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._inner.write(data)

    async def _receive(self) -> bool:
        """Whether more has come."""
        data = await self._inner.read()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    async def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(PIECE)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._receive()
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""

    async def write(self, data: bytes) -> None:
        if data:
            self._tls.write(data)
            await self._flush()

    async def end(self) -> None:
        """Says goodbye, and ends the connection's direction below; what still comes can be read."""
        with suppress(ssl.SSLError):  # the other side's goodbye is not waited for
            self._tls.unwrap()
        await self._flush()
        await self._inner.end()

    async def close(self) -> None:
        await self._inner.close()
