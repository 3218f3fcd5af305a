"""The small HTTP client, against answers as they come over a socket: whole, in pieces, chunked, broken."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from corral.cli.fail import ApiError, Failure
from corral.cli.http import Client, Reply, connect, target


def reply_to(data: bytes, step: int = 1 << 16) -> Reply:
    """A Reply that reads `data`, which comes in pieces of `step` bytes."""
    here, there = socket.socketpair()

    def send() -> None:
        with there, suppress(BrokenPipeError):  # who has the whole answer need not wait for the mark of its end
            for n in range(0, len(data), step):
                there.sendall(data[n : n + step])

    threading.Thread(target=send, daemon=True).start()
    return Reply(here)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_bodies(step: int) -> None:
    assert reply_to(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", step).read() == b"hello"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
    assert reply_to(chunked, step).read() == b"hello"
    assert reply_to(b"HTTP/1.1 200 OK\r\n\r\nto the end", step).read() == b"to the end"
    assert reply_to(b"HTTP/1.1 204 No Content\r\n\r\n", step).read() == b""


@pytest.mark.parametrize("step", [1, 1000])
def test_lines(step: int) -> None:
    body = b'{"a":1}\n{"b":2}\n\n{"c":3}'
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert list(reply_to(data, step).lines()) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


def test_what_came_with_the_headers_of_an_upgrade_counts() -> None:
    reply = reply_to(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nearly")
    assert reply.status == 101 and reply.leftover() + reply.link.recv(10) == b"early"


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"],
    ids=["nothing", "head", "body"],
)
def test_a_daemon_that_dies_is_a_failure(data: bytes) -> None:
    with pytest.raises(Failure, match="closed the connection"):
        reply_to(data).read()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["nothing", "head"])
def test_a_daemon_that_is_killed_is_a_failure(sent: bytes) -> None:
    """What it had not read of the request makes a reset of its end."""
    here, there = socket.socketpair()
    here.sendall(b"GET / HTTP/1.1\r\n\r\n")
    there.sendall(sent)
    there.close()
    with here, pytest.raises(Failure, match="closed the connection before it answered"):
        Reply(here)


@pytest.mark.parametrize("body", [None, {}, iter([b"a", b"b"])], ids=["nothing", "json", "chunks"])
def test_a_daemon_that_has_died_is_not_taken_for_a_reader_who_has_gone(
    monkeypatch: pytest.MonkeyPatch, body: object
) -> None:
    """A broken pipe of our output ends a command in silence; this one says what has happened."""
    here, there = socket.socketpair()
    there.close()
    monkeypatch.setattr("corral.cli.http.connect", lambda path: here)
    with pytest.raises(Failure, match="closed the connection before it answered"):
        Client("/socket").call("POST", "/x", body=body)


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[bytes], tuple[str, list[bytes]]]:
    """serve(answer) listens below a folder with a very long name and answers one request: (path, what was asked)."""

    def start(answer: bytes) -> tuple[str, list[bytes]]:
        folder = tmp_path / ("long-" * 20) / ("name-" * 20)
        folder.mkdir(parents=True)
        path = str(folder / "docker.sock")
        asked: list[bytes] = []
        listener = socket.socket(socket.AF_UNIX)
        handle = os.open(folder, os.O_PATH)
        listener.bind(f"/proc/self/fd/{handle}/docker.sock")
        os.close(handle)
        listener.listen()

        def run() -> None:
            link, _ = listener.accept()
            asked.append(link.recv(65536))
            link.sendall(answer)
            link.close()
            listener.close()

        threading.Thread(target=run, daemon=True).start()
        return path, asked

    return start


def test_a_socket_with_a_long_path(serve: Callable[[bytes], tuple[str, list[bytes]]]) -> None:
    path, asked = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert len(path) > 107
    assert Client(path).call("POST", "/x", {"all": True, "f": "a b"}, {"k": [1]}) == {}
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1.51/x?all=1&f=a%20b HTTP/1.1\r\n") and body == b'{"k": [1]}'


def test_an_error_says_what_the_daemon_said(serve: Callable[[bytes], tuple[str, list[bytes]]]) -> None:
    text = b'{"message":"No such container: x"}'
    path, _ = serve(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
    with pytest.raises(ApiError) as caught:
        Client(path).call("GET", "/containers/x/json")
    assert caught.value.status == 404
    assert caught.value.message == "Error response from daemon: No such container: x"


def test_no_daemon_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="sudo corral up --detach"):
        Client(str(tmp_path / "none.sock")).call("GET", "/_ping")
    with pytest.raises(FileNotFoundError):
        connect(str(tmp_path / ("x" * 100) / ("y" * 100)))


def test_queries() -> None:
    assert target("/x", {"names": ["a", "b/c:1"], "none": "", "no": False}) == "/x?names=a&names=b/c:1"
