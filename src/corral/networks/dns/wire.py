"""DNS messages as bytes (RFC 1035, EDNS: RFC 6891). Pure: nothing here opens a socket.

A message is a 12-byte header, the question, and records. Names are labels with a length before each; in answers of
ours a name is always a pointer to the question's.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address
from typing import NamedTuple

A, NS, PTR, AAAA, OPT, ANY = 1, 2, 12, 28, 41, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5

UDP_SIZE = 512  # of a client that does not say what it takes
LARGEST = 65535
OUR_SIZE = 1232  # what we take ourselves
TTL = 5  # seconds: containers come and go

_HEADER = struct.Struct(">6H")
_QR, _AA, _TC, _RD, _RA, _OPCODE = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x7800


class Malformed(ValueError):
    """Not a DNS message."""


class Query(NamedTuple):
    """One question. `name` is lower case, without the last dot; `question` is as it came.

    `size` is the longest answer that its asker takes over UDP.
    """

    id: int
    flags: int
    name: str
    type: int
    klass: int
    question: bytes
    edns: bool
    size: int

    @property
    def is_standard(self) -> bool:
        return self.flags & _OPCODE == 0 and self.klass == IN


class Record(NamedTuple):
    type: int
    data: bytes


def parse_query(data: bytes) -> Query:
    """Malformed for what is no message, is an answer, or has not exactly one question.

    >>> parse_query(ask("Web.shop", AAAA, id=7))[:5]
    (7, 256, 'web.shop', 28, 1)
    """
    if len(data) < 12:
        raise Malformed("shorter than a header")
    id, flags, questions, answers, authorities, more = _HEADER.unpack_from(data)
    if flags & _QR or questions != 1:
        raise Malformed("an answer, or not one question")
    labels, at = _labels(data, 12)
    if at + 4 > len(data):
        raise Malformed("the question ends early")
    kind, klass = struct.unpack_from(">HH", data, at)
    at += 4
    size = _edns_size(data, at, answers + authorities + more)
    name = ".".join(_text(label) for label in labels)
    return Query(id, flags, name, kind, klass, data[12:at], size > 0, max(size, UDP_SIZE))


def _labels(data: bytes, at: int) -> tuple[list[bytes], int]:
    """A name that is not compressed, and where it ends."""
    found: list[bytes] = []
    start = at
    while at < len(data):
        length = data[at]
        at += 1
        if length == 0:
            if at - start > 255:
                break
            return found, at
        if length > 63 or at + length > len(data):
            break
        found.append(data[at : at + length])
        at += length
    raise Malformed("a name that is none")


def _text(label: bytes) -> str:
    """Dots within a label must not look like dots between labels."""
    return label.decode("latin-1").lower().replace("\\", "\\\\").replace(".", "\\.")


def _edns_size(data: bytes, at: int, records: int) -> int:
    """What an OPT record among the records says of the asker; 0 without one."""
    for _ in range(records):
        at = _skip_name(data, at)
        if at + 10 > len(data):
            raise Malformed("a record ends early")
        kind, klass, _, length = struct.unpack_from(">HHIH", data, at)
        at += 10 + length
        if at > len(data):
            raise Malformed("a record ends early")
        if kind == OPT:
            return max(int(klass), 1)
    return 0


def _skip_name(data: bytes, at: int) -> int:
    while at < len(data):
        length = data[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2
        if length > 63:
            break
        at += 1 + length
    raise Malformed("a name that is none")


def answer(query: Query, records: Sequence[Record] = (), code: int = NOERROR, limit: int = LARGEST) -> bytes:
    """The answer to a question. What is longer than `limit` is cut, and says so.

    >>> query = parse_query(ask("web", A))
    >>> whole = answer(query, [Record(A, bytes([10, 0, 0, 2]))])
    >>> read_answer(whole)
    (0, False, ['10.0.0.2'])
    >>> read_answer(answer(query, [Record(A, bytes(4))] * 9, limit=40))
    (0, True, ['0.0.0.0'])
    """
    tail = struct.pack(">BHHIH", 0, OPT, OUR_SIZE, 0, 0) if query.edns else b""
    room = limit - 12 - len(query.question) - len(tail)
    body, count = bytearray(), 0
    for record in records:
        entry = struct.pack(">HHHIH", 0xC00C, record.type, IN, TTL, len(record.data)) + record.data
        if len(body) + len(entry) > room:
            break
        body += entry
        count += 1
    flags = _QR | (query.flags & (_OPCODE | _RD)) | _RA | code | (_TC if count < len(records) else 0)
    head = _HEADER.pack(query.id, flags, 1, count, 0, 1 if query.edns else 0)
    return head + query.question + bytes(body) + tail


def refusal(data: bytes, code: int = FORMERR) -> bytes:
    """What is said to something that is no question; b"" where not even its number can be read, or it is an answer."""
    if len(data) < 12 or data[2] & 0x80:
        return b""
    flags = _QR | (data[2] << 8 & (_OPCODE | _RD)) | code
    return _HEADER.pack(int.from_bytes(data[:2], "big"), flags, 0, 0, 0, 0)


def encode_name(name: str) -> bytes:
    """
    >>> encode_name("web.shop")
    b'\\x03web\\x04shop\\x00'
    """
    labels = [label.encode("latin-1", "replace")[:63] for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def ask(name: str, kind: int, *, id: int = 1, size: int = 0) -> bytes:
    """A question as clients send it; with `size` an EDNS one."""
    tail = struct.pack(">BHHIH", 0, OPT, size, 0, 0) if size else b""
    return _HEADER.pack(id, _RD, 1, 0, 0, 1 if size else 0) + encode_name(name) + struct.pack(">HH", kind, IN) + tail


def fits(reply: bytes, sent: bytes, query: Query) -> bool:
    """Whether a datagram answers what was sent on for a query: its number and its question.

    >>> query = parse_query(ask("web", A))
    >>> fits(answer(query), ask("web", A), query), fits(answer(query), ask("web", A, id=2), query)
    (True, False)
    """
    return (
        len(reply) >= 12
        and reply[:2] == sent[:2]
        and bool(reply[2] & 0x80)
        and reply[12 : 12 + len(query.question)].lower() == query.question.lower()
    )


def code_of(reply: bytes) -> int:
    return reply[3] & 0x0F


def pointer_address(name: str) -> str:
    """The address that a reverse name asks about, "" for other names.

    >>> pointer_address("2.0.64.10.in-addr.arpa"), pointer_address("web")
    ('10.64.0.2', '')
    """
    head, found, _ = name.partition(".in-addr.arpa")
    if found and name.endswith(".in-addr.arpa"):
        text = ".".join(reversed(head.split(".")))
    elif name.endswith(".ip6.arpa"):
        digits = "".join(reversed(name.removesuffix(".ip6.arpa").split(".")))
        text = ":".join(digits[n : n + 4] for n in range(0, 32, 4)) if len(digits) == 32 else ""
    else:
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def read_answer(data: bytes) -> tuple[int, bool, list[str]]:
    """(code, cut, addresses and names) of an answer, for tests and tools. Malformed for what is none."""
    if len(data) < 12:
        raise Malformed("shorter than a header")
    _, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
    at = 12
    for _ in range(questions):
        at = _skip_name(data, at) + 4
    found = []
    for _ in range(answers):
        at = _skip_name(data, at)
        if at + 10 > len(data):
            raise Malformed("a record ends early")
        kind, _, _, length = struct.unpack_from(">HHIH", data, at)
        value = data[at + 10 : at + 10 + length]
        if kind in (A, AAAA) and len(value) in (4, 16):
            found.append(str(ip_address(value)))
        elif kind == PTR:
            found.append(b".".join(_labels(value, 0)[0]).decode("latin-1"))
        at += 10 + length
    return flags & 0x0F, bool(flags & _TC), found
