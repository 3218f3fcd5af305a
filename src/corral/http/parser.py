"""Reading requests, without I/O: bytes go in, events come out, one message at a time.

The head of a request is read by httptools (llhttp); the framing of the body is done here, so that the exact byte
where a message ends is known. That is what hijacked connections need: bytes that arrived behind the request belong
to the stream that follows, not to a next request.

    >>> parser = RequestParser()
    >>> parser.receive(b"POST /attach HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}typed ahead")
    >>> head = parser.next_event()
    >>> head.method, head.target
    ('POST', '/attach')
    >>> parser.next_event(), parser.next_event(), parser.take_rest()
    (b'{}', <End.END: 'end'>, b'typed ahead')
"""

from __future__ import annotations

import enum
import re

from corral.http.head import BadRequest as BadRequest
from corral.http.head import Head as Head
from corral.http.head import parse_head


class End(enum.Enum):
    """The message is complete."""

    END = "end"


Event = Head | bytes | End

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_LINE_LIMIT = 1024
_TRAILER_LIMIT = 8192
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?")


class RequestParser:
    """Feed it with `receive`, ask it with `next_event`; None means that more bytes are needed.

    After End it stays silent until `start_next`, whatever has been received. `take_rest` gives what lies behind
    the message. BadRequest is final: the connection cannot be understood any more.
    """

    __slots__ = ("_buffer", "_head_limit", "_left", "_scanned", "_state")

    def __init__(self, head_limit: int = 65536) -> None:
        self._buffer = bytearray()
        self._head_limit = head_limit
        self._state = "head"  # head, sized, chunk-size, chunk-data, chunk-end, trailers, end
        self._left = 0  # bytes that are left of the body or of the chunk; in trailers: bytes that may still come
        self._scanned = 0

    @property
    def buffered(self) -> int:
        """Bytes received that no event has handed out."""
        return len(self._buffer)

    @property
    def remaining(self) -> int:
        """Bytes of a sized body that have not come yet."""
        return self._left if self._state == "sized" else 0

    @property
    def idle(self) -> bool:
        """Between two requests, with nothing received of the next."""
        return self._state == "head" and not self._buffer

    def receive(self, data: bytes) -> None:
        self._buffer += data

    def start_next(self) -> None:
        """The next request may be read: the answer to the last was given."""
        if self._state != "end":
            raise RuntimeError("the message is not complete")
        self._state = "head"
        self._scanned = 0

    def take_rest(self) -> bytes:
        """What lies behind the message; for a connection that changes protocol."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def next_event(self) -> Event | None:
        match self._state:
            case "head":
                return self._head()
            case "sized" | "chunk-data":
                return self._data()
            case "chunk-size" | "chunk-end":
                return self._chunk()
            case "trailers":
                return self._trailers()
            case _:
                return None

    def _head(self) -> Event | None:
        if not self._scanned:  # empty lines before a request are allowed (RFC 9112, 2.2)
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))]
        if not self._scanned and self._buffer and not self._buffer[:1].isalpha():
            # A TLS greeting, mostly: who tries HTTPS first and then HTTP must not wait for our patience to end.
            raise BadRequest(400, "invalid method")
        found = _HEAD_END.search(self._buffer, max(0, self._scanned - 3))
        if found is None or found.end() > self._head_limit:
            self._scanned = len(self._buffer)
            if self._scanned > self._head_limit:
                raise BadRequest(431, "request header fields too large")
            return None
        head = parse_head(self._take(found.end()))
        self._state, self._left = ("chunk-size", 0) if head.length is None else ("sized", head.length)
        return head

    def _data(self) -> Event | None:
        if self._left == 0:
            if self._state == "sized":
                self._state = "end"
                return End.END
            self._state = "chunk-end"
            return self._chunk()
        if not self._buffer:
            return None
        data = self._take(min(self._left, len(self._buffer)))
        self._left -= len(data)
        return data

    def _chunk(self) -> Event | None:
        """Reads the line between two chunks: the end of the last, and the size of the next."""
        if self._state == "chunk-end":
            if len(self._buffer) < 2:
                return None
            if self._take(2) != b"\r\n":
                raise BadRequest(400, "malformed chunked encoding")
            self._state = "chunk-size"
        end = self._buffer.find(b"\r\n", 0, _CHUNK_LINE_LIMIT)
        if end < 0:
            if len(self._buffer) >= _CHUNK_LINE_LIMIT:
                raise BadRequest(400, "chunk header too long")
            return None
        found = _CHUNK_SIZE.fullmatch(self._take(end + 2)[:-2])
        if found is None:
            raise BadRequest(400, "malformed chunked encoding")
        self._left = int(found[1], 16)
        self._state = "chunk-data" if self._left else "trailers"
        if self._state == "trailers":
            self._left = _TRAILER_LIMIT
        return self.next_event()

    def _trailers(self) -> Event | None:
        """Trailers are read and dropped; the empty line ends the message."""
        while (end := self._buffer.find(b"\r\n")) >= 0:
            self._left -= end + 2
            if self._left < 0:
                break
            if not self._take(end + 2)[:-2]:
                self._state = "end"
                return End.END
        if self._left < len(self._buffer):
            raise BadRequest(400, "trailers too large")
        return None

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data
