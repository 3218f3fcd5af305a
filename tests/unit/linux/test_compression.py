"""Every compression, whole, split, damaged."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma
import os

import pytest

from corral.errors import InvalidInput, Unsupported
from corral.linux.compression import decompressed, detect
from tests.support.tars import chunked

DATA = os.urandom(300_000) + bytes(3_000_000) + b"end"
PACKERS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("size", [3, 1000, 10_000_000])
def test_round_trip(name: str, size: int) -> None:
    data = PACKERS[name](DATA)
    assert detect(data) == name
    data = data if size > 3 else PACKERS[name](b"short")
    assert b"".join(decompressed(chunked(data, size))) == (DATA if size > 3 else b"short")


@pytest.mark.parametrize("name", PACKERS)
def test_members_behind_each_other_are_one_stream(name: str) -> None:
    data = PACKERS[name](b"one ") + PACKERS[name](b"two")
    assert b"".join(decompressed(chunked(data, 7))) == b"one two"
    assert b"".join(decompressed([data + bytes(16)])) == b"one two"


@pytest.mark.parametrize("name", PACKERS)
def test_cut_short_or_damaged(name: str) -> None:
    data = PACKERS[name](DATA)
    with pytest.raises(InvalidInput, match=f"damaged {name} stream: unexpected EOF"):
        list(decompressed(chunked(data[:-20])))
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    with pytest.raises(InvalidInput, match=f"damaged {name} stream"):
        list(decompressed([bytes(damaged)]))


@pytest.mark.parametrize("data", [b"", b"x", b"plain text of some length", b"\x1f", b"BZ"])
def test_what_is_not_compressed_passes(data: bytes) -> None:
    assert b"".join(decompressed(chunked(data, 2))) == data


def test_a_bomb_comes_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    assert max(len(piece) for piece in decompressed([bomb])) <= 1 << 20


@pytest.mark.skipif(importlib.util.find_spec("zstandard") is not None, reason="zstandard is installed")
def test_zstd_without_its_module_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="zstandard"):
        list(decompressed([b"\x28\xb5\x2f\xfd" + bytes(20)]))


def test_errors_of_the_source_stay_what_they_are() -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield gzip.compress(DATA)[:1000]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        list(decompressed(broken()))
