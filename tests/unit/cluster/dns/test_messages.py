from __future__ import annotations

import struct

import pytest

from corral.cluster.dns.index import Found
from corral.cluster.dns.messages import encode, parse_addresses, parse_ttl
from corral.cluster.dns.records import Entry
from corral.networks.dns.wire import IN, A, Malformed, ask, encode_name, parse_query, read_answer

QUERY = parse_query(ask("Web.shop", A, size=1232))
AUTHORITY = encode_name("a") + encode_name("b") + struct.pack(">5I", 1, 2, 3, 4, 5)


def reply(*answers: tuple[int, int, bytes], authority: tuple[int, int, bytes] | None = None, code: int = 0) -> bytes:
    records = [*answers, *([authority] if authority else [])]
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, IN, ttl, len(data)) + data for kind, ttl, data in records)
    head = struct.pack(">6H", 7, 0x8180 | code, 1, len(answers), 1 if authority else 0, 0)
    return head + encode_name("web") + struct.pack(">HH", A, IN) + body


def test_nothing_says_since_when() -> None:
    data = encode(QUERY, Found(3, [], []), "cluster.local", AUTHORITY)
    assert read_answer(data)[0] == 3
    assert struct.unpack(">6H", data[:12])[3:] == (0, 1, 1)
    assert AUTHORITY in data
    assert data[2] & 0x04  # authoritative


def test_the_name_of_the_question_is_kept_as_it_was_written() -> None:
    data = encode(QUERY, Found(0, [(QUERY.name, Entry(A, bytes(4)))], []), "x", b"")
    assert b"\x03Web\x04shop" in data and b"\xc0\x0c" in data


def test_what_does_not_fit_is_cut_and_says_so_but_for_what_is_only_helpful() -> None:
    many = [(QUERY.name, Entry(A, bytes(4)))] * 100
    cut = encode(QUERY, Found(0, many, []), "x", b"", 512)
    assert len(cut) <= 512 and read_answer(cut)[1]
    whole = encode(QUERY, Found(0, many[:1], many), "x", b"", 512)
    assert len(whole) <= 512 and not read_answer(whole)[1]


@pytest.mark.parametrize(
    "data, seconds",
    [
        (reply((A, 7, bytes(4)), (A, 3, bytes(4))), 3),
        (reply((A, 900, bytes(4))), 30),
        (reply(authority=(6, 900, AUTHORITY), code=3), 5),
        (reply(authority=(6, 2, AUTHORITY)), 2),
        (reply(), 0),
        (reply((A, 7, bytes(4)), code=2), 0),
        (b"", 0),
    ],
)
def test_for_how_long_an_answer_is_good(data: bytes, seconds: int) -> None:
    assert parse_ttl(data, 30) == seconds


def test_addresses_of_others_whatever_led_there() -> None:
    assert parse_addresses(reply((5, 9, encode_name("x")), (A, 9, bytes(4)))) == [Entry(A, bytes(4))]


@pytest.mark.parametrize("length", range(0, 37, 3))
def test_half_an_answer_is_none(length: int) -> None:
    with pytest.raises(Malformed):
        parse_addresses(reply((A, 9, bytes(4)))[:length])
