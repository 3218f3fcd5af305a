"""DNS messages: whatever bytes come, an answer or a refusal; and whatever is asked is read back as it was."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from corral.model.container import Endpoint
from corral.networks.dns import wire
from corral.networks.dns.directory import Directory, View, resolve

labels = st.text("abcXYZ-_0129", min_size=1, max_size=63)
names = st.lists(labels, min_size=1, max_size=3).map(".".join)
sizes = st.sampled_from([0, 1, 512, 1232, 4096, 65535])


@given(st.binary(max_size=600))
def test_any_bytes(data: bytes) -> None:
    try:
        query = wire.parse_query(data)
    except wire.Malformed:
        refusal = wire.refusal(data)
        assert refusal == b"" or refusal[:2] == data[:2]
        return
    reply = wire.answer(query, limit=query.size)
    assert reply[:2] == data[:2] and len(reply) <= 512
    assert wire.read_answer(reply)[0] == wire.NOERROR


@given(names, st.integers(0, 65535), st.integers(0, 65535), sizes, st.data())
def test_questions_are_read_as_they_were_asked(name: str, kind: int, id: int, size: int, data: st.DataObject) -> None:
    asked = wire.ask(name, kind, id=id, size=size)
    query = wire.parse_query(asked)
    assert (query.id, query.name, query.type, query.klass) == (id, name.lower(), kind, wire.IN)
    assert (query.edns, query.size) == (size > 0, max(size, 512))
    for cut in range(len(asked)):  # a message that ends early is none
        try:
            wire.parse_query(asked[:cut])
        except wire.Malformed:
            continue
        raise AssertionError(f"{cut} of {len(asked)} bytes were taken for a question")
    damaged = bytearray(asked)
    damaged[data.draw(st.integers(0, len(asked) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        wire.answer(wire.parse_query(bytes(damaged)))
    except wire.Malformed:
        assert len(wire.refusal(bytes(damaged))) in (0, 12)


@given(names, st.lists(st.integers(0, 2**32 - 1), max_size=80), sizes, st.booleans())
def test_an_answer_fits_or_says_that_it_is_cut(name: str, values: list[int], size: int, six: bool) -> None:
    kind = wire.AAAA if six else wire.A
    addresses = [str((IPv6Address if six else IPv4Address)(value)) for value in values]
    records = [wire.Record(kind, (IPv6Address if six else IPv4Address)(value).packed) for value in values]
    query = wire.parse_query(wire.ask(name, kind, size=size))
    reply = wire.answer(query, records, limit=query.size)
    code, cut, found = wire.read_answer(reply)
    assert len(reply) <= query.size and code == wire.NOERROR
    assert found == addresses[: len(found)] and cut == (len(found) < len(addresses))
    assert wire.fits(reply, wire.ask(name, kind), query)
    assert wire.read_answer(wire.answer(query, records))[2] == addresses


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", "c"])), max_size=30), st.integers(0, 100))
def test_names_are_those_of_who_is_there(steps: list[tuple[int, str]], turn: int) -> None:
    """Each step lets a container of that number come, or go if it is there."""
    directory, there = Directory(), dict[int, Endpoint]()
    for number, name in steps:
        if number in there:
            directory.remove("n", there.pop(number))
        else:
            there[number] = Endpoint("n", "", f"e{number}", ipv4=f"10.0.0.{number}", dns_names=[f"c{number}", name])
            directory.add("n", there[number])
    for name in ("a", "b", "c", *(f"c{n}" for n in range(6))):
        wanted = sorted(end.ipv4 for end in there.values() if name in end.dns_names)
        records = resolve(directory, View(["n"]), name, wire.A, turn)
        found = sorted(str(IPv4Address(record.data)) for record in records or [])
        assert found == wanted and (records is None) == (not wanted)
