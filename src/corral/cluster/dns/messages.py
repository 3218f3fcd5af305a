"""Answers with all sections, and what can be read from those of others, as bytes (RFC 1035, RFC 2308). Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from corral.cluster.dns.index import TTL, Found
from corral.cluster.dns.records import SOA, Entry
from corral.networks.dns.wire import AAAA, IN, LARGEST, NXDOMAIN, OPT, OUR_SIZE, A, Malformed, Query, encode_name

_HEADER = struct.Struct(">6H")
_RECORD = struct.Struct(">HHIH")
_QR, _AA, _TC, _RD, _RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_QUESTION_NAME = b"\xc0\x0c"


def encode(query: Query, found: Found, domain: str, authority: bytes, limit: int = LARGEST) -> bytes:
    """The answer. Without records it says since when that is so (the SOA), with too many that there are more.

    >>> from corral.networks.dns.wire import ask, parse_query, read_answer
    >>> query = parse_query(ask("web.default.svc.cluster.local", A))
    >>> found = Found(0, [(query.name, Entry(A, bytes([10, 96, 0, 7])))], [])
    >>> read_answer(encode(query, found, "cluster.local", b""))
    (0, False, ['10.96.0.7'])
    """
    tail = struct.pack(">BHHIH", 0, OPT, OUR_SIZE, 0, 0) if query.edns else b""
    room = limit - _HEADER.size - len(query.question) - len(tail)
    sections = [found.answers, [] if found.answers else [(domain, Entry(SOA, authority))], found.additional]
    body, counts, cut = bytearray(), [0, 0, 0], False
    for number, section in enumerate(sections):
        for name, entry in section:
            record = _record(query, name, entry)
            if cut or len(body) + len(record) > room:
                cut = cut or number < 2  # additional records may be left out
                break
            body += record
            counts[number] += 1
    flags = _QR | _AA | (query.flags & _RD) | _RA | found.code | (_TC if cut else 0)
    head = _HEADER.pack(query.id, flags, 1, counts[0], counts[1], counts[2] + (1 if query.edns else 0))
    return head + query.question + bytes(body) + tail


def _record(query: Query, name: str, entry: Entry) -> bytes:
    owner = _QUESTION_NAME if name == query.name else encode_name(name)
    return owner + _RECORD.pack(entry.type, IN, TTL, len(entry.data)) + entry.data


def parse_addresses(reply: bytes) -> list[Entry]:
    """The addresses in an answer of others, whatever names led to them. Malformed."""
    return [Entry(kind, data) for kind, _, data in _records(reply, 1) if kind in (A, AAAA)]


def parse_ttl(reply: bytes, longest: int) -> int:
    """For how many seconds an answer of others may be given again; 0: not at all. Malformed.

    Where there is nothing, that is the last number of the SOA or its own time, whichever is less (RFC 2308).
    """
    code, cut = reply[3] & 0x0F if len(reply) >= 12 else 2, len(reply) >= 12 and bool(reply[2] & 0x02)
    if code not in (0, NXDOMAIN) or cut:
        return 0
    answers = _records(reply, 1)
    if answers and code == 0:
        return min(longest, *(ttl for _, ttl, _ in answers))
    found = [min(ttl, struct.unpack(">I", data[-4:])[0]) for kind, ttl, data in _records(reply, 2) if kind == SOA]
    return min([longest, *found]) if found else 0


def _records(reply: bytes, section: int) -> Sequence[tuple[int, int, bytes]]:
    """(type, seconds, data) of the answers (1) or of all up to the authorities (2)."""
    if len(reply) < _HEADER.size:
        raise Malformed("shorter than a header")
    _, _, questions, answers, authorities, _ = _HEADER.unpack_from(reply)
    at = _HEADER.size
    for _ in range(questions):
        at = _skip(reply, at) + 4
    found = []
    for _ in range(answers + (authorities if section == 2 else 0)):
        at = _skip(reply, at)
        if at + _RECORD.size > len(reply):
            raise Malformed("a record ends early")
        kind, _, ttl, length = _RECORD.unpack_from(reply, at)
        at += _RECORD.size
        if at + length > len(reply):
            raise Malformed("a record ends early")
        found.append((kind, ttl, reply[at : at + length]))
        at += length
    return found


def _skip(data: bytes, at: int) -> int:
    while at < len(data):
        length = data[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    raise Malformed("a name that is none")
