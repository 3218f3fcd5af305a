"""SPDY: frames cut anywhere mean the same, garbage is refused or ignored, never believed; streams keep their bytes."""

from __future__ import annotations

import asyncio
import itertools
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.http.spdy.frames import Data, Frame, GoAway, Parser, ProtocolError, Settings, Writer
from corral.http.spdy.session import Session

NAME = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=10)
VALUE = st.text(st.characters(max_codepoint=255, exclude_characters="\0"), max_size=20)
STREAM = st.integers(1, 2**31 - 1)
NUMBER = st.integers(0, 2**31 - 1)
HEADERS = st.dictionaries(NAME, VALUE, max_size=4)


def frames(parser: Parser, data: bytes, cuts: list[int]) -> list[Frame]:
    """What comes out, pieces of data joined."""
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    found: list[Frame] = []
    for a, b in itertools.pairwise(at):
        parser.receive(data[a:b])
        while (frame := parser.next_frame()) is not None:
            last = found[-1] if found else None
            if isinstance(frame, Data) and isinstance(last, Data) and not last.fin and last.stream == frame.stream:
                found[-1] = Data(frame.stream, last.data + frame.data, frame.fin)
            else:
                found.append(frame)
    return found


@given(
    st.lists(st.tuples(STREAM, HEADERS, st.booleans(), st.binary(max_size=300)), max_size=5),
    st.dictionaries(st.integers(1, 9), NUMBER, max_size=3),
    st.lists(st.integers(0, 5000), max_size=8),
)
def test_frames_mean_the_same_however_they_are_cut(
    wanted: list[tuple[int, dict[str, str], bool, bytes]], values: dict[int, int], cuts: list[int]
) -> None:
    writer, data, expected = Writer(), b"", []
    for stream, headers, fin, body in wanted:
        data += writer.syn_stream(stream, headers.items(), fin=fin)
        data += writer.syn_reply(stream, headers.items()) + writer.data(stream, body, fin=True)
        data += writer.headers(stream, headers.items(), fin=fin)
        expected += [("SynStream", headers, fin), ("SynReply", headers, False), ("Data", body, True)]
        expected.append(("Headers", headers, fin))
    data += writer.settings(values) + writer.go_away(3)
    found = frames(Parser(), data, cuts)
    assert found[-2:] == [Settings(values), GoAway(3, 0)]
    told = [(type(one).__name__, one[1], one[2]) for one in found[:-2] if len(one) > 2]
    assert told == expected


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_garbage_is_refused_or_waited_for(parts: list[bytes]) -> None:
    parser = Parser()
    try:
        for part in parts:
            parser.receive(part)
            while parser.next_frame() is not None:
                pass
    except ProtocolError:
        pass


@given(st.integers(1, 12), st.binary(max_size=60), st.integers(0, 255))
def test_control_frames_of_any_kind_and_size(kind: int, body: bytes, flags: int) -> None:
    parser = Parser()
    parser.receive(struct.pack(">HHI", 0x8003, kind, flags << 24 | len(body)) + body + Writer.ping(7))
    try:
        while parser.next_frame() is not None:
            pass
    except ProtocolError:
        pass


class Wire:
    """A transport: `feed` what the client sends; `sent` has the server's bytes."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts, self.sent = parts, b""

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return self._parts.pop(0) if self._parts else b""

    async def write(self, data: bytes) -> None:
        self.sent += data


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=5), st.lists(st.integers(0, 9000), max_size=10))
def test_each_stream_gets_its_own_bytes(bodies: list[bytes], cuts: list[int]) -> None:
    writer, data = Writer(), b""
    numbers = range(1, 2 * len(bodies), 2)
    for number in numbers:
        data += writer.syn_stream(number, [("streamtype", "data")])
    for number, body in zip(numbers, bodies, strict=True):
        data += writer.data(number, body[:7])
    for number, body in zip(numbers, bodies, strict=True):
        data += writer.data(number, body[7:], fin=True)
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    wire = Wire([data[a:b] for a, b in itertools.pairwise(at) if a != b])

    async def run() -> dict[int, bytes]:
        session = Session(wire)
        reading = asyncio.create_task(session.run())
        found = {}
        while (stream := await session.accept()) is not None:
            found[stream.id] = b""
            while piece := await stream.read():
                found[stream.id] += piece
        await reading
        return found

    assert asyncio.run(run()) == dict(zip(numbers, bodies, strict=True))


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_a_session_outlives_any_client(parts: list[bytes]) -> None:
    wire = Wire([Writer().syn_stream(1, [("a", "b")]), *(part for part in parts if part)])

    async def run() -> None:
        session = Session(wire)
        await session.run()
        assert session.gone.is_set()

    asyncio.run(run())
