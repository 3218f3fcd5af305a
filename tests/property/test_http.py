"""Whatever comes over the wire: requests cut anywhere mean the same, and garbage is refused, never believed."""

from __future__ import annotations

import asyncio
import itertools
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.api.docker.escape import EscapeScanner
from corral.api.docker.streams import frame
from corral.http.message import Answer, Request, Response, split_target
from corral.http.parser import BadRequest, End, Head, RequestParser
from corral.http.render import chunk, response_head
from corral.http.server import Limits, Server
from corral.http.websocket import BINARY, FrameParser, ProtocolError, unmask, write_frame

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_", min_size=1, max_size=12)
VALUE = st.text("abc ,;=/XYZ0123456789.", max_size=20).map(str.strip)
BODY = st.binary(max_size=400)
FRAMING = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect"}


def message(target: str, headers: dict[str, str], body: bytes, cuts: list[int] | None) -> bytes:
    """A request as a client writes it: sized, or chunked at `cuts`."""
    lines = [f"POST /{target} HTTP/1.1", "Host: x", *(f"{n}: {v}" for n, v in headers.items())]
    if cuts is None:
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    at = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [body[a:b] for a, b in itertools.pairwise(at) if a != b]
    head = "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode()
    return head + b"".join(map(chunk, pieces)) + b"0\r\n\r\n"


REQUEST = st.tuples(
    TOKEN,
    st.dictionaries(TOKEN.filter(lambda name: name.lower() not in FRAMING), VALUE, max_size=4),
    BODY,
    st.none() | st.lists(st.integers(0, 500), max_size=5),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(at)]


def read(parser: RequestParser, parts: list[bytes]) -> list[tuple[Head, bytes]]:
    """All messages in these bytes."""
    found: list[tuple[Head, bytes]] = []
    for part in parts:
        parser.receive(part)
        while (event := parser.next_event()) is not None:
            if isinstance(event, Head):
                found.append((event, b""))
            elif event is End.END:
                parser.start_next()
            else:
                assert isinstance(event, bytes) and event
                found[-1] = (found[-1][0], found[-1][1] + event)
    return found


@given(st.lists(REQUEST, min_size=1, max_size=4), st.lists(st.integers(0, 5000), max_size=12))
def test_requests_mean_the_same_wherever_they_are_cut(requests: list[tuple], cuts: list[int]) -> None:  # type: ignore[type-arg]
    data = b"".join(message(*request) for request in requests)
    parser = RequestParser()
    found = read(parser, pieces(data, cuts))
    assert parser.idle
    assert len(found) == len(requests)
    for (head, body), (target, headers, sent, _) in zip(found, requests, strict=True):
        assert (head.method, head.target, body) == ("POST", f"/{target}", sent)
        for name, value in headers.items():
            assert value in head.headers[name.lower()]


@given(REQUEST, st.binary(max_size=50), st.lists(st.integers(0, 5000), max_size=6))
def test_what_lies_behind_a_message_is_left_alone(request: tuple, rest: bytes, cuts: list[int]) -> None:  # type: ignore[type-arg]
    parser = RequestParser()
    seen = []
    for part in pieces(message(*request) + rest, cuts):
        parser.receive(part)
        while (event := parser.next_event()) is not None:
            seen.append(event)
    assert seen[-1] is End.END
    assert parser.take_rest() == rest


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_garbage_is_refused_or_waited_for(data: bytes, cuts: list[int]) -> None:
    try:
        for head, _ in read(RequestParser(), pieces(data, cuts)):
            assert head.version in ("1.0", "1.1")
    except BadRequest as error:
        assert error.status in (400, 431, 501, 505)


@given(REQUEST, st.integers(0, 300), st.binary(min_size=1, max_size=3))
def test_a_damaged_request_never_breaks_the_parser(request: tuple, at: int, damage: bytes) -> None:  # type: ignore[type-arg]
    data = message(*request)
    at %= len(data)
    try:
        read(RequestParser(), [data[:at] + damage + data[at + len(damage) :]])
    except BadRequest:
        return


@given(st.text(max_size=60))
def test_any_target_has_a_path(target: str) -> None:
    path, query = split_target(target)
    assert "?" not in path and isinstance(query, str)


@given(st.dictionaries(TOKEN, st.text(max_size=30), max_size=3), st.sampled_from([200, 404, 799]))
def test_no_header_can_be_forged(headers: dict[str, str], status: int) -> None:
    head = response_head(status, headers)
    assert head.count(b"\r\n") == len(headers) + 2 and head.endswith(b"\r\n\r\n")


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(0, 2000), max_size=8))
def test_web_socket_messages_survive_any_cut(payloads: list[bytes], cuts: list[int]) -> None:
    key = b"\x01\x02\xfe\xff"
    sent = b""
    for payload in payloads:
        head = write_frame(BINARY, payload)[: -len(payload) or None]
        sent += bytes((head[0], head[1] | 0x80)) + head[2:] + key + unmask(payload, key)
    parser, found = FrameParser(), []
    for part in pieces(sent, cuts):
        parser.receive(part)
        while (got := parser.next_frame()) is not None:
            found.append(got.payload)
    assert found == payloads


@given(st.binary(max_size=200))
def test_web_socket_garbage(data: bytes) -> None:
    parser = FrameParser()
    parser.receive(data)
    try:
        while parser.next_frame() is not None:
            pass
    except ProtocolError as error:
        assert error.code in (1002, 1009)


@given(st.binary(min_size=1, max_size=4), st.lists(st.binary(max_size=6), max_size=8))
def test_detach_keys_are_found_wherever_the_input_is_cut(keys: bytes, parts: list[bytes]) -> None:
    scanner = EscapeScanner(keys)
    passed, found = b"", False
    for part in parts:
        data, found = scanner.feed(part)
        passed += data
        if found:
            break
    typed = b"".join(parts)
    at = typed.find(keys)
    assert found == (at >= 0)
    if found:
        assert passed == typed[:at]
    else:
        assert typed.startswith(passed) and len(typed) - len(passed) < len(keys)


@given(st.sampled_from([1, 2, 3]), st.binary(max_size=100))
def test_frames(stream: int, data: bytes) -> None:
    framed = frame(stream, data)
    assert framed[0] == stream and int.from_bytes(framed[4:8], "big") == len(data) == len(framed) - 8


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6))
def test_a_server_survives_everything(garbage: list[bytes]) -> None:
    """After any garbage, on any connection, the next client is served."""

    async def handler(request: Request) -> Answer:
        return Response(200, {}, await request.body())

    async def run() -> bytes:
        with tempfile.TemporaryDirectory(prefix="corral-") as folder:
            server = Server(handler, Limits())
            await server.listen_unix(f"{folder}/s")
            for data in garbage:
                _, writer = await asyncio.open_unix_connection(f"{folder}/s")
                writer.write(data)
                writer.transport.abort() if len(data) % 2 else writer.close()
            reader, writer = await asyncio.open_unix_connection(f"{folder}/s")
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok")
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            await server.close(grace=0.05)
            assert not server.connections
            return answer

    assert asyncio.run(run()).endswith(b"\r\n\r\nok")
