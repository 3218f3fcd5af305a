"""Reading DER (ITU-T X.690), as far as certificates need it. Pure; whatever is malformed is a ValueError."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18

_ENCODINGS: Final = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}


class Element(NamedTuple):
    """`whole` is the element with its head, `content` what is in it."""

    tag: int
    content: bytes
    whole: bytes


def read(data: bytes, at: int = 0) -> tuple[Element, int]:
    """The element that begins at `at`, and where the next one does.

    >>> read(bytes.fromhex("020105ff"))
    (Element(tag=2, content=b'\\x05', whole=b'\\x02\\x01\\x05'), 3)
    """
    if at + 2 > len(data):
        raise ValueError("DER ends early")
    tag, length, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("DER with a long tag")
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(data):
            raise ValueError("DER with a bad length")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    end = start + length
    if end > len(data):
        raise ValueError("DER ends early")
    return Element(tag, data[start:end], data[at:end]), end


def items(content: bytes) -> Iterator[Element]:
    """The elements of a sequence or set, one after the other."""
    at = 0
    while at < len(content):
        element, at = read(content, at)
        yield element


def only(element: Element, tag: int) -> bytes:
    """The content of an element that must have that tag."""
    if element.tag != tag:
        raise ValueError(f"DER tag {element.tag:#x} where {tag:#x} belongs")
    return element.content


def oid(content: bytes) -> str:
    """
    >>> oid(bytes.fromhex("550403")), oid(bytes.fromhex("2a864886f70d"))
    ('2.5.4.3', '1.2.840.113549')
    """
    if not content:
        raise ValueError("an empty object identifier")
    numbers, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        raise ValueError("an object identifier without an end")
    first = min(numbers[0] // 40, 2)
    return ".".join(str(one) for one in (first, numbers[0] - 40 * first, *numbers[1:]))


def text(element: Element) -> str:
    """The text of any of the string types that names use."""
    encoding = _ENCODINGS.get(element.tag)
    if encoding is None:
        raise ValueError(f"DER tag {element.tag:#x} is no text")
    return element.content.decode(encoding)


def moment(element: Element) -> int:
    """Seconds since the epoch.

    >>> moment(Element(UTC_TIME, b"260102030405Z", b"")), moment(Element(GENERALIZED_TIME, b"20500101000000Z", b""))
    (1767323045, 2524608000)
    """
    written = element.content.decode("ascii")
    if element.tag == UTC_TIME:
        written = ("19" if written[:2] >= "50" else "20") + written
    elif element.tag != GENERALIZED_TIME:
        raise ValueError(f"DER tag {element.tag:#x} is no time")
    return int(datetime.strptime(written, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp())
