"""Compression: recognise it by its first bytes and undo it, chunk by chunk.

gzip, bzip2 and xz; zstd where the module `zstandard` is installed. A stream that ends early or is damaged raises
InvalidInput. Several gzip members or xz streams behind each other count as one, as the programs do it.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
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


class _Zlib:
    """zlib's decompressor with the manners of the others: it keeps what it has not looked at."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Zstd:
    """zstandard's decompressor, which has no bound on its output but small frames."""

    def __init__(self, module: Any) -> None:
        self._inner = module.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._inner.decompress(data)) if data else b""


def _zstd() -> Callable[[], _Decoder]:
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        raise Unsupported("zstd compression needs the Python package zstandard: pip install zstandard") from None
    return lambda: _Zstd(module)


def _decoders(name: str) -> Callable[[], _Decoder]:
    """A maker of decoders for one member each."""
    if name == "zstd":
        return _zstd()
    table: dict[str, Callable[[], Any]] = {"gzip": _Zlib, "bzip2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor}
    return table[name]


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
    yield from _decompress(name, _sliced(head, source))


def _sliced(head: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    yield from (head[at : at + _SLICE] for at in range(0, len(head), _SLICE))
    for chunk in source:
        yield from (chunk[at : at + _SLICE] for at in range(0, len(chunk), _SLICE))


def _decompress(name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    make = _decoders(name)
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
            yield from _all_of(name, decoder, piece)
            piece = decoder.unused_data if decoder.eof else b""
            decoder = None if decoder.eof else decoder
    if decoder is not None:
        raise InvalidInput(f"damaged {name} stream: unexpected EOF")


def _all_of(name: str, decoder: _Decoder, piece: bytes) -> Iterator[bytes]:
    """What one piece gives, in bounded parts."""
    while True:
        try:
            out = decoder.decompress(piece, _OUT)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            raise InvalidInput(f"damaged {name} stream: {str(error).lower()}") from error
        if out:
            yield out
        piece = b""
        if decoder.eof or len(out) < _OUT:
            return
