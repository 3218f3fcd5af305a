"""Files behind URLs: redirects, what servers refuse, who asks, and an end in the middle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from corral.errors import CorralError, Forbidden, InvalidInput, NotFound, RemoteFailed, Unauthorized
from corral.images.remote.certificates import Trust
from corral.images.remote.download import source_url, stream
from corral.images.remote.wire import Wire

DATA = b"0123456789" * 100_000


class _Files(BaseHTTPRequestHandler):
    """/data is there, /moved leads to it, /4xx is refused so, /endless begins, /who says who asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/moved":
            self._answer(302, b"", {"Location": "/who"})
        elif self.path == "/loop":
            self._answer(302, b"", {"Location": "/loop"})
        elif self.path == "/data":
            self._answer(200, DATA)
        elif self.path == "/who":
            self._answer(200, self.headers.get("Authorization", "nobody").encode())
        elif self.path == "/endless":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"begun")
            self.server.left.wait(60)  # type: ignore[attr-defined]
        else:
            self._answer(int(self.path[1:]), b" because \n")

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as made:
        made.left = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=made.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{made.server_port}"
        finally:
            made.left.set()  # type: ignore[attr-defined]
            made.shutdown()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire(Trust([]), {})
    yield made
    made.close()


async def gather(wire: Wire, url: str) -> bytes:
    return b"".join([piece async for piece in stream(wire, url)])


async def test_a_file(wire: Wire, server: str) -> None:
    assert await gather(wire, source_url(f"{server}/data")) == DATA


async def test_only_the_first_server_learns_who_asks(wire: Wire, server: str) -> None:
    assert await gather(wire, f"http://me:pw@{server}/who") == b"Basic bWU6cHc="
    assert await gather(wire, f"http://me:pw@{server}/moved") == b"nobody"


async def test_a_loop(wire: Wire, server: str) -> None:
    with pytest.raises(RemoteFailed, match="stopped after 10 redirects"):
        await gather(wire, f"http://{server}/loop")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidInput), (401, Unauthorized), (403, Forbidden), (404, NotFound), (500, RemoteFailed)],
)
async def test_what_a_server_refuses(wire: Wire, server: str, status: int, kind: type[CorralError]) -> None:
    with pytest.raises(kind, match=f"failed to GET http://{server}/{status} with status {status} .*: because$"):
        await gather(wire, f"http://{server}/{status}")


async def test_a_server_that_is_not_there(wire: Wire) -> None:
    with pytest.raises(RemoteFailed, match="connection refused"):
        await gather(wire, "http://127.0.0.1:1/x")


async def test_who_leaves_in_the_middle_does_not_wait(wire: Wire, server: str) -> None:
    async with aclosing(stream(wire, f"http://{server}/endless")) as pieces:
        assert await anext(pieces) == b"begun"


@pytest.mark.parametrize("bad", ["ftp://a/b", "http://", "http://a:b/c", "http://[x/"])
def test_what_is_no_url(bad: str) -> None:
    with pytest.raises(InvalidInput):
        source_url(bad)
