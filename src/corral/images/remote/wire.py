"""Wire: HTTP/1.1 to registries, on connections that are kept for the next request. Blocking; for any thread.

The standard library's client speaks the protocol; here are the connections, proxies, what `Cancel` wakes, and one
exception for all that can break, in the words that Go's client has for it. Redirects and answers that are errors
are the caller's.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from corral.errors import InvalidInput
from corral.images.remote.cancel import Cancel
from corral.images.remote.certificates import Trust
from corral.images.remote.proxies import Proxy, plan_proxy
from corral.kit.verifying import verify_words
from corral.linux.streams import Ended

CONNECT: Final = 15.0  # seconds
HANDSHAKE: Final = 10.0  # seconds for TLS, as in dockerd: who does not know it may say nothing at all
SILENCE: Final = 60.0  # seconds without a byte
_IDLE, _KEPT = 60.0, 8  # seconds, connections for each server
_PIECE = 1 << 18
_INFORMATIONAL = 5  # of an answer
_DOWN: Final = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)
Body = bytes | Callable[[], Iterable[bytes]] | None  # a function is called anew for every try


class WireError(Exception):
    """The other side could not be reached, or broke off. `passing`: it may go better next time; `plain`: it spoke
    HTTP where TLS was expected, hung up on it, or did not answer on the port at all; `down`: nobody is there, which
    passes only if somebody has been."""

    def __init__(self, text: str, *, passing: bool = False, plain: bool = False, down: bool = False) -> None:
        super().__init__(text)
        self.text, self.passing, self.plain, self.down = text, passing, plain, down


class HungUp(ConnectionError):
    """The other side ended the connection when it was asked for TLS, or said nothing, as servers do that know none."""


class _Response(http.client.HTTPResponse):
    """Passes over what is said before an answer, all of 1xx as Go does: the library knows only 100, and no end."""

    _heard = 0

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if not 100 <= status < 200 or status == 101:
            return version, status, reason
        self._heard += 1
        if self._heard > _INFORMATIONAL:
            raise http.client.HTTPException("too many 1xx informational responses")
        return version, 100, reason


class Reply:
    """An answer. Its body is read with `read` or `pieces`; close it, or use it as a context manager."""

    def __init__(self, response: http.client.HTTPResponse, url: str, done: Callable[[bool], None]) -> None:
        self.status, self.reason, self.url = response.status, response.reason, url
        self.headers = response.headers
        self._response, self._done = response, done
        self._open = True

    def header(self, name: str) -> str:
        return self.headers.get(name, "") or ""

    @property
    def length(self) -> int:
        """What is announced and still to come; -1 if nothing is announced."""
        return -1 if self._response.length is None else self._response.length

    def pieces(self) -> Iterable[bytes]:
        """The body as it comes. WireError if it ends before its announced end."""
        while data := self._read(_PIECE):
            yield data

    def _read(self, size: int) -> bytes:
        try:
            data = self._response.read1(size)
            if not data and self._response.length:
                raise WireError(f'Get "{self.url}": unexpected EOF', passing=True)
            return data
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _broken("Get", self.url, error) from error

    def read(self, limit: int) -> bytes:
        """All of a small body. InvalidInput if it has more than `limit` bytes."""
        parts, size = [], 0
        for data in self.pieces():
            size += len(data)
            if size > limit:
                raise InvalidInput(f"the answer of {self.url} is longer than {limit} bytes")
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        """The connection is kept if the whole body was read."""
        if self._open:
            self._open = False
            whole = self._response.isclosed() or self._response.length == 0
            self._response.close()
            self._done(whole and not self._response.will_close)

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Key = tuple[str, str, int, bool]


class Wire:
    """The connections of one instance."""

    def __init__(self, trust: Trust, environment: Mapping[str, str] = os.environ) -> None:
        self._trust, self._environment = trust, environment
        self._lock = threading.Lock()
        self._idle: dict[Key, list[tuple[float, http.client.HTTPConnection]]] = {}

    def request(
        self, method: str, url: str, headers: Mapping[str, str], *, body: Body = None, insecure: bool, cancel: Cancel
    ) -> Reply:
        """Sends a request and reads the answer's head. WireError; Ended when it was cancelled; InvalidInput."""
        parts = _split(url)
        key = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), insecure)
        while True:
            link = self._take(key)
            fresh = link is None
            try:
                if link is None:
                    link = self._connect(key, parts, cancel)
                return self._exchange(link, key, method, parts, headers, body, cancel)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if link is not None:
                    link.close()
                cancel.check()
                if not fresh and not callable(body) and isinstance(error, ConnectionError):
                    continue  # it was closed while it was idle: that is no failure (what streams may be half there)
                raise _broken(method, url, error) from error
            except BaseException:
                if link is not None:
                    link.close()
                raise

    def _exchange(
        self, link: http.client.HTTPConnection, key: Key, method: str, parts: SplitResult,
        headers: Mapping[str, str], body: Body, cancel: Cancel,
    ) -> Reply:  # fmt: skip
        url = parts.geturl()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        proxy = plan_proxy(key[0], key[1], key[2], self._environment)
        if proxy is not None and key[0] == "http":
            target = url
            headers = {**headers, **({"Proxy-Authorization": proxy.authorization} if proxy.authorization else {})}
        headers = {"Host": parts.netloc, **headers}
        stack = contextlib.ExitStack()
        stack.enter_context(cancel.using(link.sock))
        try:
            content = body() if callable(body) else body
            chunked = headers.get("Transfer-Encoding") == "chunked"
            try:
                link.request(method, target, content, dict(headers), encode_chunked=chunked)
            except (BrokenPipeError, ConnectionResetError):
                if not callable(body):
                    raise
                # an answer may have come before the body was sent: it says why
            finally:
                if isinstance(content, Generator):
                    content.close()  # it may hold a file open
            response = link.getresponse()
        except BaseException:
            stack.close()
            raise

        def done(whole: bool) -> None:
            stack.close()
            if whole and not cancel.stopped:
                self._keep(key, link)
            else:
                link.close()

        return Reply(response, url, done)

    # Connections.

    def _take(self, key: Key) -> http.client.HTTPConnection | None:
        while True:
            with self._lock:
                idle = self._idle.get(key)
                if not idle:
                    return None
                since, link = idle.pop()
            if time.monotonic() - since < _IDLE and not _readable(link.sock):
                return link
            link.close()

    def _keep(self, key: Key, link: http.client.HTTPConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(key, [])
            if link.sock is not None and len(idle) < _KEPT:
                idle.append((time.monotonic(), link))
                return
        link.close()

    def _connect(self, key: Key, parts: SplitResult, cancel: Cancel) -> http.client.HTTPConnection:
        scheme, host, port, _ = key
        cancel.check()
        proxy = plan_proxy(scheme, host, port, self._environment)
        raw = _dial(*((proxy.host, proxy.port) if proxy else (host, port)))
        try:
            raw.settimeout(SILENCE)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with cancel.using(raw):
                return self._dress(raw, key, parts.netloc, proxy)
        except BaseException:
            raw.close()
            raise

    def _dress(self, raw: socket.socket, key: Key, netloc: str, proxy: Proxy | None) -> http.client.HTTPConnection:
        """Proxy and TLS on a connected socket."""
        scheme, host, port, insecure = key
        if proxy is not None and proxy.scheme == "https":
            raw = self._trust.context(f"{proxy.host}:{proxy.port}", False).wrap_socket(raw, server_hostname=proxy.host)
        if scheme == "https":
            if proxy is not None:
                _tunnel(raw, host, port, proxy)
            context = self._trust.context(netloc, insecure)
            raw.settimeout(HANDSHAKE)
            try:
                raw = context.wrap_socket(raw, server_hostname=host)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as error:
                raise HungUp("EOF") from error
            except TimeoutError as error:
                raise HungUp("net/http: TLS handshake timeout") from error
            raw.settimeout(SILENCE)
        link = http.client.HTTPConnection(host, port, timeout=SILENCE, blocksize=_PIECE)
        link.response_class = _Response
        link.sock = raw
        link.auto_open = 0  # a lost connection is an error here, not opened anew
        return link

    def close(self) -> None:
        """Closes what is idle."""
        with self._lock:
            links = [link for idle in self._idle.values() for _, link in idle]
            self._idle.clear()
        for link in links:
            link.close()


def _dial(host: str, port: int) -> socket.socket:
    """OSError. "localhost" is this machine (RFC 6761), also where no file and no server says so."""
    try:
        return socket.create_connection((host, port), CONNECT)
    except socket.gaierror:
        if host != "localhost":
            raise
        return socket.create_connection(("127.0.0.1", port), CONNECT)


def _tunnel(raw: socket.socket, host: str, port: int, proxy: Proxy) -> None:
    name = f"[{host}]" if ":" in host else host
    lines = [f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 65_536:
        data = raw.recv(1)  # what comes after the head belongs to TLS
        if not data:
            raise ConnectionResetError
        head += data
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    if len(words) < 2 or words[1] != "200":
        raise WireError(f"the proxy {proxy.host}:{proxy.port} refused: {' '.join(words[1:])}")


def _readable(link: socket.socket | None) -> bool:
    """An idle connection on which something can be read was closed by the other side."""
    if link is None:
        return True
    poll = select.poll()
    poll.register(link, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(0))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  reading it checks it
    except ValueError as error:
        raise InvalidInput(f"invalid URL {url[:200]!r}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise InvalidInput(f"invalid URL {url[:200]!r}: it must be http or https, without a user")
    if any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise InvalidInput(f"invalid URL {url[:200]!r}")
    return parts


def pointed(url: str, target: str) -> str:
    """Where an answer of `url` points to, with a Location that comes from the other side. Pure. InvalidInput.

    >>> pointed("https://a.example/v2/x", "/y?z=1")
    'https://a.example/y?z=1'
    >>> pointed("https://a.example/v2/x", "https://[::1")
    Traceback (most recent call last):
    corral.errors.InvalidInput: https://a.example/v2/x points to 'https://[::1', which is no address: Invalid IPv6 URL
    """
    try:
        found = urljoin(url, target)
        urlsplit(found).port  # noqa: B018  reading it checks it
    except ValueError as error:
        raise InvalidInput(f"{url[:200]} points to {target[:200]!r}, which is no address: {error}") from None
    return found


def _broken(method: str, url: str, error: Exception) -> WireError:
    """Whatever went wrong, in Go's words."""
    if isinstance(error, WireError):
        return error
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    text, passing, plain = _reason(error, place, parts.hostname or "")
    down = isinstance(error, OSError) and error.errno in _DOWN
    return WireError(f'{method.capitalize()} "{url}": {text}', passing=passing, plain=plain, down=down)


def _reason(error: Exception, place: str, host: str) -> tuple[str, bool, bool]:
    """(words, may it pass, was it no TLS)"""
    if isinstance(error, ssl.SSLCertVerificationError):
        return verify_words(error), False, False
    if isinstance(error, ssl.SSLError):
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
            return "http: server gave HTTP response to HTTPS client", False, True
        if error.reason and "CERTIFICATE" in error.reason:
            said = error.reason.lower().replace("_", " ")  # "tlsv13 alert certificate required"
            return f"remote error: tls: {said.partition(' alert ')[2] or said}", False, False
        if isinstance(error, ssl.SSLEOFError):
            return "EOF", True, False
        return f"tls: {str(error.reason or error).lower().replace('_', ' ')}", False, False
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: {'no such host' if error.errno != socket.EAI_AGAIN else 'try again'}", (
            error.errno == socket.EAI_AGAIN
        ), False  # fmt: skip
    if isinstance(error, HungUp):
        return str(error), True, True
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {place}: connect: connection refused", False, True
    if isinstance(error, TimeoutError):
        return f"dial tcp {place}: i/o timeout", True, False
    if isinstance(error, http.client.RemoteDisconnected):
        return "EOF", True, False
    if isinstance(error, http.client.IncompleteRead):
        return "unexpected EOF", True, False
    if isinstance(error, ConnectionError):
        return f"read tcp {place}: {(error.strerror or 'connection reset by peer').lower()}", True, False
    if isinstance(error, OSError):
        return f"dial tcp {place}: connect: {(error.strerror or str(error)).lower()}", False, False
    return f"net/http: HTTP/1.x transport connection broken: malformed response: {error!r:.200}", False, False


__all__ = ["Body", "Ended", "Reply", "Wire", "WireError", "pointed"]
