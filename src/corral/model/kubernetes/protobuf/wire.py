"""Protobuf's wire format: tags, varints and lengths, and nothing of what they mean."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are no message."""


class Item(NamedTuple):
    """One field as it stands there: `value` is a number, or the bytes of a LENGTH (and of the fixed ones)."""

    number: int
    wire: int
    value: int | bytes


def items(data: bytes) -> Iterator[Item]:
    """The fields of a message, in order. Raises WireError.

    >>> list(items(bytes([0x08, 0x96, 0x01, 0x12, 0x01, 0x41])))
    [Item(number=1, wire=0, value=150), Item(number=2, wire=2, value=b'A')]
    """
    place, end = 0, len(data)
    while place < end:
        tag, place = varint(data, place)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise WireError("proto: illegal tag 0")
        if wire == VARINT:
            value: int | bytes
            value, place = varint(data, place)
        elif wire in _SIZES or wire == LENGTH:
            size, place = (_SIZES[wire], place) if wire in _SIZES else varint(data, place)
            if size > end - place:
                raise WireError("unexpected EOF")
            value, place = data[place : place + size], place + size
        else:
            raise WireError(f"proto: illegal wireType {wire}")
        yield Item(number, wire, value)


_SIZES = {FIXED64: 8, FIXED32: 4}


def varint(data: bytes, place: int) -> tuple[int, int]:
    """(the number at `place`, the place behind it). Raises WireError.

    >>> varint(bytes([0xAC, 0x02]), 0)
    (300, 2)
    """
    found = shift = 0
    for behind, byte in enumerate(data[place : place + 10], place + 1):
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found & (2**64 - 1), behind
        shift += 7
    raise WireError("proto: integer overflow" if shift == 70 else "unexpected EOF")


def signed(number: int, bits: int = 64) -> int:
    """Pure: two's complement.

    >>> signed(2**64 - 1), signed(2**32 - 2, 32)
    (-1, -2)
    """
    top = 1 << bits
    low = number & (top - 1)
    return low - top if low >> (bits - 1) else low


def double(data: bytes) -> float:
    found: float = struct.unpack("<d", data)[0]
    return found
