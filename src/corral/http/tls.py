"""TLS under a connection, with half-close: a client that ends its direction (close_notify) still gets the answer.

asyncio's own TLS closes both directions then, which would cut off `echo x | docker run -i … cat` over TCP. So this
is a protocol between the socket and the connection: encrypted bytes below, plain bytes above, OpenSSL's memory
buffers between.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any, cast

log = logging.getLogger("corral.http")

PIECE = 65536
MOST_AT_ONCE = 262144  # bytes that are encrypted before they go on: OpenSSL keeps as much room for ever
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h
PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


def server_context(certificate: str, key: str, client_authorities: str = "") -> ssl.SSLContext:
    """A server's context: TLS 1.2 or later, HTTP/1.1.

    `client_authorities` (PEM): a client may show a certificate that one of these has signed, and need not; one that
    shows another is refused in the handshake. Whether it holds still is for the handler to see, as connections outlive
    certificates: so who comes too late is told so in an answer. Sessions are not resumed: each connection proves anew
    who it is.
    Raises OSError, ssl.SSLError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    if client_authorities:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= NO_CHECK_TIME
        context.load_verify_locations(cadata=client_authorities)
    return context


def reload(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """New connections get this certificate; those that are open keep theirs.

    Tried on another context first: a key that does not belong to the certificate leaves `context` as it was.
    Raises OSError, ssl.SSLError.
    """
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    context.load_cert_chain(certificate, key)


class TlsLayer(asyncio.Protocol):
    """Does the handshake, then is the transport of `inner`. A handshake must be done in `seconds`."""

    def __init__(self, context: ssl.SSLContext, inner: asyncio.Protocol, seconds: float) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._inner = inner
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._ready = self._ended = self._notified = False

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.below = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._too_late)

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        self._advance()

    def eof_received(self) -> bool:
        """The socket's end of file. Python's own sockets half-close so, without saying goodbye; OpenSSL would take
        that for an attack and refuse to go on, so it is not told."""
        if not self._ready:
            return False
        self._end()
        return not self.below.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._ready:
            self._inner.connection_lost(exc)
        # Layer, transport and connection refer to each other, so it may be long until they are found to be garbage:
        # what is large goes now.
        self._tls = None
        self._incoming = self._outgoing = ssl.MemoryBIO()

    def pause_writing(self) -> None:
        if self._ready:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._ready:
            self._inner.resume_writing()

    # Between the two

    def _advance(self) -> None:
        try:
            if self._tls is not None and not self._ready:
                self._tls.do_handshake()
                self._ready = True
                self._stop_timer()
                self._flush()
                self._inner.connection_made(TlsTransport(self))
            self._read()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self._flush()
            self._end()
        except ssl.SSLError as error:
            self._fail(error)

    def _read(self) -> None:
        """Hands on what can be decrypted. Raises SSLWantReadError, SSLZeroReturnError."""
        while self._tls is not None and not self.below.is_closing():
            data = self._tls.read(PIECE)
            self._flush()
            if not data:
                raise ssl.SSLZeroReturnError
            self._inner.data_received(data)

    def _end(self) -> None:
        """The client will send no more."""
        if self._ready and not self._ended:
            self._ended = True
            if not self._inner.eof_received() and not self.below.is_closing():
                self.close()

    def _too_late(self) -> None:
        log.info("TLS handshake with %s: not done in %g seconds", self._peer(), self._seconds)
        self.below.abort()

    def _fail(self, error: ssl.SSLError) -> None:
        if self._ready:
            log.debug("TLS: %s", error)
        else:  # the client learns little of it: whose certificate is refused, and why, is for the server's owner
            log.info("TLS handshake with %s: %s", self._peer(), error)
        self._flush()
        if error.reason == "HTTP_REQUEST":
            self.below.write(PLAIN_HTTP)
        if self._ready:
            self._ended = True
            self._inner.eof_received()
        self.below.close()

    def _peer(self) -> str:
        """Who is at the other end, as ADDRESS:PORT."""
        name = self.below.get_extra_info("peername")
        return "{}:{}".format(*name) if name else "an unknown peer"

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.below.write(self._outgoing.read())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What the transport asks

    def peer_certificate(self) -> bytes:
        """The client's certificate (DER), if it showed one: the handshake fails for one that does not verify.

        With what `server_context` makes it may be one that has expired.
        """
        return (self._tls and self._tls.getpeercert(binary_form=True)) or b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for at in range(0, len(view), MOST_AT_ONCE):
            if self._tls is None:
                return
            try:
                self._tls.write(view[at : at + MOST_AT_ONCE])
            except ssl.SSLError as error:
                log.debug("TLS: %s", error)
                self.below.abort()
                return
            self._flush()

    def notify(self) -> None:
        """Says goodbye: nothing more will be written."""
        if self._tls is not None and not self._notified:
            self._notified = True
            try:
                self._tls.unwrap()
            except ssl.SSLError as error:  # the other side's goodbye is not waited for
                log.debug("TLS: %s", error)
            self._flush()

    def close(self) -> None:
        self.notify()
        self.below.close()


class TlsTransport(asyncio.Transport):
    """What a connection needs of a transport; everything that is not about TLS is the socket's."""

    def __init__(self, layer: TlsLayer) -> None:
        super().__init__()
        self._layer = layer

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peer_certificate":
            return self._layer.peer_certificate() or default
        return self._layer.below.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._layer.write(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._layer.notify()
        self._layer.below.write_eof()

    def close(self) -> None:
        self._layer.close()

    def abort(self) -> None:
        self._layer.below.abort()

    def is_closing(self) -> bool:
        return self._layer.below.is_closing()

    def pause_reading(self) -> None:
        self._layer.below.pause_reading()

    def resume_reading(self) -> None:
        self._layer.below.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._layer.below.get_write_buffer_size()
