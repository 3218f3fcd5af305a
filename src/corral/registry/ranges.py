"""Ranges: which bytes of a blob are asked for, and where the next piece of an upload belongs. Pure."""

from __future__ import annotations

import re
from typing import Final

from corral.registry.faults import Fault

_CONTENT_RANGE: Final = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})(?:/[0-9*]+)?")
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def plan_range(header: str, size: int) -> tuple[int, int] | None:
    """(offset, count) of the bytes that a Range header asks for; None: all, with 200 (RFC 9110, section 14).

    What is no single byte range is ignored, as the RFC allows; one that lies outside gives status 416.

    >>> plan_range("bytes=0-4", 10), plan_range("bytes=8-99", 10), plan_range("bytes=-3", 10), plan_range("", 10)
    ((0, 5), (8, 2), (7, 3), None)
    >>> plan_range("bytes=0-1,3-4", 10), plan_range("lines=1-2", 10)
    (None, None)
    """
    found = _RANGE.fullmatch(header.strip().replace(" ", ""))
    if not found or found[0] == "bytes=-":
        return None
    if not found[1]:
        count = min(int(found[2]), size)
        offset = size - count
    else:
        offset = int(found[1])
        last = min(int(found[2]), size - 1) if found[2] else size - 1
        count = last - offset + 1
    if count <= 0 or offset >= size:
        raise Fault(
            "BLOB_UNKNOWN",
            f"the range {header!r} lies outside of the {size} bytes",
            status=416,
            headers={"Content-Range": f"bytes */{size}"},
        )
    return offset, count


def parse_content_range(header: str, length: int | None) -> tuple[int, int] | None:
    """(start, bytes) of the piece that an upload's Content-Range announces; None without one.

    `length` is the request's Content-Length, None if it did not say. BLOB_UPLOAD_INVALID, SIZE_INVALID.

    >>> parse_content_range("5-9", 5), parse_content_range("", 5)
    ((5, 5), None)
    """
    if not header:
        return None
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if not found or int(found[2]) < int(found[1]):
        raise Fault("BLOB_UPLOAD_INVALID", f"invalid Content-Range {header!r}: needed is FIRST-LAST")
    start, count = int(found[1]), int(found[2]) - int(found[1]) + 1
    if length is not None and length != count:
        raise Fault("SIZE_INVALID", f"Content-Range {header!r} has {count} bytes, Content-Length says {length}")
    return start, count


def received(offset: int) -> str:
    """The Range header of an upload of which `offset` bytes have come.

    >>> received(10), received(0)
    ('0-9', '0-0')
    """
    return f"0-{max(offset - 1, 0)}"
