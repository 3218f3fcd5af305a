"""Compression: recognise it by its first bytes and undo it, chunk by chunk.

gzip, bzip2, xz and zstd. A stream that ends early or is damaged raises
InvalidInput. Several gzip members or xz streams behind each other count as one, as the programs do it.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Protocol

from corral.errors import InvalidInput, Unsupported

_MAGIC = {
    "gzip": b"\x1f\x8b\x08",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
_SLICE = 1 << 16  # compressed bytes at a time: a bomb cannot blow up a whole chunk at once
_OUT = 1 << 20
_WINDOW_LOG = 27  # 128 MB, what the zstd program takes without being asked


def detect(head: bytes) -> str:
    """Pure: "gzip", "bzip2", "xz", "zstd" or "" by the first ten bytes.

    >>> detect(b"BZh91AY&SY"), detect(b"plain text")
    ('bzip2', '')
    """
    for name, magic in _MAGIC.items():
        if head.startswith(magic):
            return name
    return ""


class _Decoder(Protocol):
    """What the standard library's decompressors share. zlib's has its rest in `unconsumed_tail`."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


@cache
def _gzip() -> Any:
    """Intel's implementation where it is installed, four times as fast at decompressing and ten times at compressing;
    else Python's own. Both have the same interface."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


_LEVELS = {"isal.isal_zlib": 3, "zlib": 4}
_GZIP = 16 + zlib.MAX_WBITS
_ZSTD_LEVEL = 3


def gzip_compressor(level: int | None = None) -> Callable[[bytes], bytes]:
    """Give it the data piece by piece, then b"" for the end; the same data in the same pieces gives the same bytes.

    >>> compress = gzip_compressor()
    >>> b"".join(decompressed([compress(b"abc") + compress(b"")]))
    b'abc'
    """
    module = _gzip() if level is None else zlib  # which alone has all levels
    inner = module.compressobj(_LEVELS[module.__name__] if level is None else level, zlib.DEFLATED, _GZIP)
    return lambda data: bytes(inner.compress(data) if data else inner.flush())


def zstd_compressor(level: int | None = None) -> Callable[[bytes], bytes]:
    """As `gzip_compressor`. Unsupported where this Python has no zstd."""
    try:
        module = importlib.import_module("compression.zstd")
        inner = module.ZstdCompressor(level=level or _ZSTD_LEVEL)
    except ImportError:
        try:
            module = importlib.import_module("zstandard")
        except ImportError:
            raise Unsupported("zstd compression needs the Python package zstandard: pip install zstandard") from None
        inner = module.ZstdCompressor(level=level or _ZSTD_LEVEL).compressobj()
    return lambda data: bytes(inner.compress(data) if data else inner.flush())


def compressor(name: str, level: int | None = None) -> Callable[[bytes], bytes]:
    """The one of this name, "gzip" or "zstd"; without a level with its usual one.

    >>> compress = compressor("gzip", 9)
    >>> b"".join(decompressed([compress(b"abc") + compress(b"")]))
    b'abc'
    """
    return {"gzip": gzip_compressor, "zstd": zstd_compressor}[name](level)


class _Zlib:
    """zlib's decompressor with the manners of the others: it keeps what it has not looked at."""

    def __init__(self) -> None:
        self._inner = _gzip().decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._inner.decompress(self._inner.unconsumed_tail + data, max_length))


def _zstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Several frames behind each other count as one stream, in bounded parts and with a bounded window."""
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError:
        yield from _zstandard(pieces)
        return
    options = {module.DecompressionParameter.window_log_max: _WINDOW_LOG}
    yield from _decompress("zstd", pieces, lambda: module.ZstdDecompressor(options=options), module.ZstdError)


def _zstandard(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """With the package that Pythons before 3.14 need. Its reader asks for input, and bounds its output."""
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        raise Unsupported("zstd compression needs the Python package zstandard: pip install zstandard") from None
    decompressor = module.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG)
    reader = decompressor.stream_reader(_Pieces(pieces), read_size=_SLICE, read_across_frames=True)
    while True:
        try:
            out = reader.read(_OUT)
        except module.ZstdError as error:
            raise InvalidInput(f"damaged zstd stream: {str(error).lower()}") from error
        if not out:
            return
        yield out


class _Pieces:
    """An iterator as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int) -> bytes:
        return next(self._pieces, b"")


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": _Zlib,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


def decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes of a stream, compressed or not. Blocking and busy: put it into a thread of its own.

    >>> import gzip
    >>> b"".join(decompressed([gzip.compress(b"abc")])), b"".join(decompressed([b"ab", b"c"]))
    (b'abc', b'abc')
    """
    source = iter(chunks)
    head = b""
    for chunk in source:
        head += chunk
        if len(head) >= 10:
            break
    name = detect(head)
    if not name:
        if head:
            yield head
        yield from source
        return
    pieces = _sliced(head, source)
    if name == "zstd":
        yield from _zstd(pieces)
    else:
        yield from _decompress(name, pieces, _DECODERS[name], zlib.error if name != "gzip" else _gzip().error)


def _sliced(head: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    yield from (head[at : at + _SLICE] for at in range(0, len(head), _SLICE))
    for chunk in source:
        yield from (chunk[at : at + _SLICE] for at in range(0, len(chunk), _SLICE))


def _decompress(
    name: str, pieces: Iterator[bytes], make: Callable[[], _Decoder], damage: type[Exception]
) -> Iterator[bytes]:
    """`make` gives a decoder for each member; `damage` is what it raises besides the usual."""
    decoder: _Decoder | None = make()
    for piece in pieces:
        while piece:
            if decoder is None:
                if not piece.startswith(_MAGIC[name][:1]):
                    piece = piece.lstrip(b"\0")  # padding between members, as tape drives and xz leave it
                    if piece and not piece.startswith(_MAGIC[name][:1]):
                        return  # trailing rubbish, which gzip ignores too
                    if not piece:
                        break
                decoder = make()
            yield from _all_of(name, decoder, piece, damage)
            piece = decoder.unused_data if decoder.eof else b""
            decoder = None if decoder.eof else decoder
    if decoder is not None:
        raise InvalidInput(f"damaged {name} stream: unexpected EOF")


def _all_of(name: str, decoder: _Decoder, piece: bytes, damage: type[Exception]) -> Iterator[bytes]:
    """What one piece gives, in bounded parts."""
    while True:
        try:
            out = decoder.decompress(piece, _OUT)
        except (damage, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            raise InvalidInput(f"damaged {name} stream: {str(error).lower()}") from error
        if out:
            yield out
        piece = b""
        if decoder.eof or len(out) < _OUT:
            return
