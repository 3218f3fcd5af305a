"""The frames of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00 and its 3.1), without I/O.

>>> writer, parser = Writer(), Parser()
>>> parser.receive(writer.syn_stream(1, [("streamtype", "stdin")]) + writer.data(1, b"hi", fin=True))
>>> parser.next_frame()
SynStream(stream=1, headers={'streamtype': 'stdin'}, fin=False, unidirectional=False)
>>> parser.next_frame()
Data(stream=1, data=b'hi', fin=True)
>>> parser.next_frame() is None
True
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from corral.http.spdy.dictionary import DICTIONARY

VERSION: Final = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS = 1, 2, 3, 4
PING, GOAWAY, HEADERS, WINDOW_UPDATE = 6, 7, 8, 9
FIN: Final = 1
UNIDIRECTIONAL: Final = 2
INITIAL_WINDOW_SIZE: Final = 7  # the id of a setting

# What a RST_STREAM says
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, UNSUPPORTED_VERSION, CANCEL, INTERNAL_ERROR = 1, 2, 3, 4, 5, 6
FLOW_CONTROL_ERROR, STREAM_IN_USE, STREAM_ALREADY_CLOSED = 7, 8, 9

CONTROL_LIMIT: Final = 1 << 16  # bytes of a control frame
HEADERS_LIMIT: Final = 1 << 16  # bytes of headers, once they are unpacked
DATA_LIMIT: Final = (1 << 24) - 1
_STREAM: Final = 0x7FFFFFFF


class ProtocolError(Exception):
    """The other end does not speak SPDY/3.1: the connection is of no more use."""


class SynStream(NamedTuple):
    stream: int
    headers: dict[str, str]
    fin: bool
    unidirectional: bool


class SynReply(NamedTuple):
    stream: int
    headers: dict[str, str]
    fin: bool


class Headers(NamedTuple):
    stream: int
    headers: dict[str, str]
    fin: bool


class Data(NamedTuple):
    """`fin`: nothing more will come in this direction. A large frame comes in pieces."""

    stream: int
    data: bytes
    fin: bool


class Reset(NamedTuple):
    stream: int
    status: int


class Settings(NamedTuple):
    values: dict[int, int]


class Ping(NamedTuple):
    number: int


class GoAway(NamedTuple):
    last: int
    status: int


class WindowUpdate(NamedTuple):
    """Stream 0: of the whole session."""

    stream: int
    delta: int


Frame = SynStream | SynReply | Headers | Data | Reset | Settings | Ping | GoAway | WindowUpdate


class Parser:
    """`receive` bytes, ask `next_frame`; None means that more are needed. ProtocolError is final."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._data: tuple[int, int, bool] | None = None  # the stream, bytes to come and FIN of a frame under way

    def receive(self, data: bytes) -> None:
        self._buffer += data

    def next_frame(self) -> Frame | None:
        while True:
            if self._data is not None:
                return self._piece(*self._data)
            if len(self._buffer) < 8:
                return None
            word, size = struct.unpack_from(">II", self._buffer)
            flags, size = size >> 24, size & 0xFFFFFF
            if word & 0x80000000:
                if (word >> 16) & 0x7FFF != VERSION:
                    raise ProtocolError(f"version {(word >> 16) & 0x7FFF} of SPDY: only 3 is spoken")
                if size > CONTROL_LIMIT:
                    raise ProtocolError(f"a control frame of {size} bytes")
                if len(self._buffer) < 8 + size:
                    return None
                found = self._control(word & 0xFFFF, flags, self._take(8 + size)[8:])
                if found is not None:
                    return found
                continue
            if not word:
                raise ProtocolError("data of stream 0")
            self._take(8)
            self._data = word, size, bool(flags & FIN)

    def _take(self, size: int) -> bytes:
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found

    def _piece(self, stream: int, size: int, fin: bool) -> Data | None:
        """What is here of a data frame."""
        if size and not self._buffer:
            return None
        data = self._take(size)
        left = size - len(data)
        self._data = (stream, left, fin) if left else None
        return Data(stream, data, fin and not left)

    def _control(self, kind: int, flags: int, body: bytes) -> Frame | None:
        """None for what a receiver has to ignore."""
        try:
            if kind == SYN_STREAM:
                stream, _, _ = struct.unpack_from(">IIH", body)
                headers = self._unpack(body[10:])
                return SynStream(stream & _STREAM, headers, bool(flags & FIN), bool(flags & UNIDIRECTIONAL))
            if kind in (SYN_REPLY, HEADERS):
                (stream,) = struct.unpack_from(">I", body)
                make = SynReply if kind == SYN_REPLY else Headers
                return make(stream & _STREAM, self._unpack(body[4:]), bool(flags & FIN))
            if kind == RST_STREAM:
                stream, status = struct.unpack(">II", body)
                return Reset(stream & _STREAM, status)
            if kind == SETTINGS:
                return Settings(_settings(body))
            if kind == PING:
                return Ping(*struct.unpack(">I", body))
            if kind == GOAWAY:
                last, status = struct.unpack(">II", body)
                return GoAway(last & _STREAM, status)
            if kind == WINDOW_UPDATE:
                stream, delta = struct.unpack(">II", body)
                return WindowUpdate(stream & _STREAM, delta & _STREAM)
        except struct.error:
            raise ProtocolError(f"a control frame of type {kind} with {len(body)} bytes") from None
        return None

    def _unpack(self, packed: bytes) -> dict[str, str]:
        """A block of headers: of the one compressed stream that all blocks of a connection make."""
        try:
            block = self._inflate.decompress(packed, HEADERS_LIMIT + 1)
        except zlib.error as error:
            raise ProtocolError(f"headers that cannot be unpacked: {error}") from None
        if len(block) > HEADERS_LIMIT or self._inflate.eof:
            raise ProtocolError("headers that are too large, or the end of their compression")
        return parse_headers(block)


def _settings(body: bytes) -> dict[int, int]:
    (count,) = struct.unpack_from(">I", body)
    if len(body) != 4 + 8 * count:
        raise ProtocolError(f"{count} settings in {len(body)} bytes")
    pairs = struct.iter_unpack(">II", body[4:])
    return {number & 0xFFFFFF: value for number, value in pairs}


def parse_headers(block: bytes) -> dict[str, str]:
    """Pure: names in small letters to values; of several values (there is a NUL between them) the first.

    ProtocolError for a block that does not add up.

    >>> parse_headers(bytes.fromhex("00000001 00000001 61 00000001 62"))
    {'a': 'b'}
    """
    try:
        (count,) = struct.unpack_from(">I", block)
        at, found = 4, {}
        for _ in range(count):
            words = []
            for _ in range(2):
                (size,) = struct.unpack_from(">I", block, at)
                if at + 4 + size > len(block):
                    raise ProtocolError("headers that end too early")
                words.append(block[at + 4 : at + 4 + size])
                at += 4 + size
            name, value = words
            if not name:
                raise ProtocolError("a header without a name")
            found[name.decode("latin-1").lower()] = value.split(b"\0")[0].decode("latin-1")
    except struct.error:
        raise ProtocolError("headers that end too early") from None
    if at != len(block):
        raise ProtocolError("headers that do not end")
    return found


class Writer:
    """Frames as bytes. They must be sent in the order in which they were made: headers build on each other."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def _pack(self, headers: Iterable[tuple[str, str]]) -> bytes:
        words = [word.encode("latin-1") for pair in headers for word in pair]
        block = struct.pack(">I", len(words) // 2)
        block += b"".join(struct.pack(">I", len(word)) + word for word in words)
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def syn_stream(self, stream: int, headers: Iterable[tuple[str, str]], *, fin: bool = False) -> bytes:
        body = struct.pack(">IIH", stream, 0, 0) + self._pack(headers)
        return control(SYN_STREAM, body, FIN if fin else 0)

    def syn_reply(self, stream: int, headers: Iterable[tuple[str, str]] = (), *, fin: bool = False) -> bytes:
        return control(SYN_REPLY, struct.pack(">I", stream) + self._pack(headers), FIN if fin else 0)

    def headers(self, stream: int, headers: Iterable[tuple[str, str]], *, fin: bool = False) -> bytes:
        return control(HEADERS, struct.pack(">I", stream) + self._pack(headers), FIN if fin else 0)

    @staticmethod
    def data(stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """At most `DATA_LIMIT` bytes."""
        return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data

    @staticmethod
    def reset(stream: int, status: int) -> bytes:
        return control(RST_STREAM, struct.pack(">II", stream, status))

    @staticmethod
    def ping(number: int) -> bytes:
        return control(PING, struct.pack(">I", number))

    @staticmethod
    def settings(values: dict[int, int]) -> bytes:
        pairs = b"".join(struct.pack(">II", number, value) for number, value in values.items())
        return control(SETTINGS, struct.pack(">I", len(values)) + pairs)

    @staticmethod
    def go_away(last: int, status: int = 0) -> bytes:
        return control(GOAWAY, struct.pack(">II", last, status))

    @staticmethod
    def window_update(stream: int, delta: int) -> bytes:
        return control(WINDOW_UPDATE, struct.pack(">II", stream, delta))


def control(kind: int, body: bytes, flags: int = 0) -> bytes:
    """Pure: a control frame.

    >>> control(PING, b"\\0\\0\\0\\1").hex()
    '800300060000000400000001'
    """
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body
