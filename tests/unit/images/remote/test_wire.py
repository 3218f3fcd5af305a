"""Connections: kept, proxied, protected, broken, and ended by who no longer wants them."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from corral.errors import InvalidInput
from corral.images.remote.cancel import Cancel
from corral.images.remote.certificates import Trust
from corral.images.remote.wire import Wire, WireError
from corral.linux.streams import Ended
from tests.support import certificates
from tests.support.fake_registry import Ask, FakeRegistry
from tests.support.tools import needs

openssl = needs("openssl")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as made:
        yield made


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire(Trust([]), {})
    yield made
    made.close()


def get(wire: Wire, url: str, *, insecure: bool = False, limit: int = 1 << 20) -> bytes:
    with wire.request("GET", url, {}, insecure=insecure, cancel=Cancel()) as reply:
        return reply.read(limit)


def peers(registry: FakeRegistry) -> set[int]:
    """The ports of the other side: one for each connection."""
    return registry.__dict__.setdefault("ports", set())


def note_peers(registry: FakeRegistry) -> set[int]:
    found = peers(registry)

    def note(ask: Ask) -> bool:
        found.add(ask.client_address[1])
        return False

    registry.fault(note)
    return found


def test_a_connection_is_used_again(registry: FakeRegistry, wire: Wire) -> None:
    found = note_peers(registry)
    for _ in range(3):
        assert get(wire, f"{registry.url}/v2/") == b"{}"
    assert len(found) == 1


def test_a_connection_that_was_closed_meanwhile_is_no_failure(registry: FakeRegistry, wire: Wire) -> None:
    found = note_peers(registry)

    def close(ask: Ask) -> bool:
        ask.close_connection = True
        return False

    registry.fault(close)
    for _ in range(3):
        get(wire, f"{registry.url}/v2/")
    assert len(found) == 3


def test_a_body_that_was_not_read_ends_its_connection(registry: FakeRegistry, wire: Wire) -> None:
    found = note_peers(registry)
    registry.fault(lambda ask: ask.answer(200, bytes(1 << 22)))
    for _ in range(2):
        wire.request("GET", f"{registry.url}/x", {}, insecure=False, cancel=Cancel()).close()
    assert len(found) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda ask: ask.hang_up(), "EOF|connection reset by peer"),
        (lambda ask: bool(ask.wfile.write(b"garbage\r\n\r\n")) and ask.hang_up(), "malformed response"),
        (lambda ask: ask.answer(200, b"short", Content_Length="100") and ask.hang_up(), "unexpected EOF|reset by peer"),
        (lambda ask: ask.answer(200, b"", **{f"H{n}": "x" for n in range(200)}), "malformed response"),
        (lambda ask: ask.answer(200, b"", X="y" * 100_000), "malformed response"),
        (
            lambda ask: ask.answer(200, b"zz\r\nxx", Transfer_Encoding="chunked") and ask.hang_up(),
            "unexpected EOF|reset by peer|malformed",
        ),
    ],
)
def test_answers_that_are_none(registry: FakeRegistry, wire: Wire, fault, words: str) -> None:  # type: ignore[no-untyped-def]
    registry.fault(fault)
    with pytest.raises(WireError, match=words):
        get(wire, f"{registry.url}/v2/")


@pytest.mark.parametrize("times", [1, 5, 6])
def test_what_is_said_before_an_answer(registry: FakeRegistry, wire: Wire, times: int) -> None:
    def hints(ask: Ask) -> bool:
        ask.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * times)
        return ask.answer(200, b"yes")

    registry.fault(hints)
    if times == 6:
        with pytest.raises(WireError, match="too many 1xx informational responses"):
            get(wire, f"{registry.url}/v2/")
    else:
        assert get(wire, f"{registry.url}/v2/") == b"yes"


def test_a_body_beyond_its_limit(registry: FakeRegistry, wire: Wire) -> None:
    registry.fault(lambda ask: ask.answer(200, bytes(1000)))
    with pytest.raises(InvalidInput, match="longer than 999 bytes"):
        get(wire, f"{registry.url}/v2/", limit=999)


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://", "http://u:p@a/", "http://a:b/", "http://a/\r\nx", "http://a/ b"]
)
def test_addresses_that_are_none(wire: Wire, url: str) -> None:
    with pytest.raises(InvalidInput, match="invalid URL"):
        get(wire, url)


def test_nobody_there(wire: Wire) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(WireError, match=f"dial tcp 127.0.0.1:{port}: connect: connection refused") as failure:
            get(wire, f"http://127.0.0.1:{port}/")
    assert failure.value.plain and not failure.value.passing


def test_a_name_that_does_not_exist(wire: Wire) -> None:
    with pytest.raises(WireError, match=r"dial tcp: lookup nowhere\.invalid"):
        get(wire, "http://nowhere.invalid/")


def test_who_has_gone_waits_for_nobody(registry: FakeRegistry, wire: Wire) -> None:
    begun, go = threading.Event(), threading.Event()
    registry.fault(lambda ask: begun.set() or go.wait(20))  # type: ignore[func-returns-value]
    cancel, raised = Cancel(), []

    def ask() -> None:
        try:
            wire.request("GET", f"{registry.url}/v2/", {}, insecure=False, cancel=cancel)
        except Ended as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait(10)
    cancel.stop()
    thread.join(60)
    assert raised and not thread.is_alive()
    go.set()


def test_a_pause_ends_with_who_wanted_it() -> None:
    cancel = Cancel()
    threading.Timer(0.05, cancel.stop).start()
    begin = time.monotonic()
    with pytest.raises(Ended):
        cancel.wait(30)
    assert time.monotonic() - begin < 10


# TLS.


@openssl
def test_certificates(tmp_path: Path, wire: Wire) -> None:
    made = certificates.make(tmp_path)
    with FakeRegistry(tls=certificates.server(made)) as registry:
        with pytest.raises(WireError, match="x509: certificate signed by unknown authority"):
            get(wire, f"{registry.url}/v2/")
        assert get(wire, f"{registry.url}/v2/", insecure=True) == b"{}"
        place = tmp_path / "certs.d" / registry.host
        place.mkdir(parents=True)
        shutil.copy(made[0], place / "ca.crt")
        trusting = Wire(Trust([str(tmp_path / "certs.d")]), {})
        assert get(trusting, f"{registry.url}/v2/") == b"{}"
        with pytest.raises(WireError, match="x509: "):  # of another name nothing is known
            get(trusting, f"https://localhost:{registry.port}/v2/")
        trusting.close()


@openssl
def test_a_certificate_renewed_in_place(tmp_path: Path) -> None:
    made, other = certificates.make(tmp_path), certificates.make(tmp_path, "other")
    with FakeRegistry(tls=certificates.server(made)) as registry:
        place = tmp_path / "certs.d" / registry.host
        place.mkdir(parents=True)
        (place / "ca.crt").write_bytes(other[0].read_bytes())
        wire = Wire(Trust([str(tmp_path / "certs.d")]), {})
        with pytest.raises(WireError, match="x509: "):
            get(wire, f"{registry.url}/v2/")
        (place / "ca.crt").write_bytes(made[0].read_bytes())
        assert get(wire, f"{registry.url}/v2/") == b"{}"
        wire.close()


@openssl
def test_who_we_are(tmp_path: Path) -> None:
    made, me = certificates.make(tmp_path), certificates.make(tmp_path, "me")
    with FakeRegistry(tls=certificates.server(made, me[0])) as registry:
        place = tmp_path / "certs.d" / registry.host
        place.mkdir(parents=True)
        shutil.copy(made[0], place / "ca.crt")
        wire = Wire(Trust([str(tmp_path / "certs.d")]), {})
        with pytest.raises(WireError, match=r": remote error: tls: certificate required$|EOF|reset"):
            get(wire, f"{registry.url}/v2/")
        shutil.copy(me[0], place / "client.cert")
        with pytest.raises(InvalidInput, match=r"missing key client.key for client certificate client.cert"):
            get(wire, f"{registry.url}/v2/")
        shutil.copy(me[1], place / "client.key")
        assert get(wire, f"{registry.url}/v2/") == b"{}"
        wire.close()


def test_localhost_needs_nobody_who_knows_it(
    registry: FakeRegistry, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def knows_nothing(host: str, *more: Any, **others: Any) -> Any:
        if host[0].isdigit():
            return found(host, *more, **others)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", knows_nothing)
    assert get(wire, f"http://localhost:{registry.port}/v2/") == b"{}"
    with pytest.raises(WireError, match="lookup elsewhere: no such host"):
        get(wire, f"http://elsewhere:{registry.port}/v2/")


def test_who_says_nothing_when_asked_for_tls_is_not_waited_for_as_for_a_body(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.images.remote.wire.HANDSHAKE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(WireError, match="net/http: TLS handshake timeout") as failed:
            get(wire, f"https://127.0.0.1:{port}/v2/", insecure=True)
    assert failed.value.plain


def test_no_tls_at_all(registry: FakeRegistry, wire: Wire) -> None:
    with pytest.raises(WireError, match="server gave HTTP response to HTTPS client") as failure:
        get(wire, f"https://{registry.host}/v2/", insecure=True)
    assert failure.value.plain


# Proxies.


class _Proxy(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Proxy-Authorization", "")))  # type: ignore[attr-defined]
        with socket.create_connection(("127.0.0.1", self.server.target)) as far:  # type: ignore[attr-defined]
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(far, self.connection), daemon=True)
            back.start()
            _copy(self.connection, far)
            back.join()
        self.close_connection = True

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Proxy-Authorization", "")))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"proxied")


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    made.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def test_http_by_a_proxy(proxy: ThreadingHTTPServer) -> None:
    wire = Wire(Trust([]), {"HTTP_PROXY": f"http://me:pw@127.0.0.1:{proxy.server_address[1]}"})
    assert get(wire, "http://reg.example/v2/?a=b") == b"proxied"
    assert proxy.seen == [("http://reg.example/v2/?a=b", "Basic bWU6cHc=")]  # type: ignore[attr-defined]
    wire.close()


@openssl
def test_https_by_a_proxy(proxy: ThreadingHTTPServer, tmp_path: Path) -> None:
    with FakeRegistry(tls=certificates.server(certificates.make(tmp_path))) as registry:
        proxy.target = registry.port  # type: ignore[attr-defined]
        wire = Wire(Trust([]), {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}"})
        assert get(wire, "https://reg.example/v2/", insecure=True) == b"{}"
        assert proxy.seen == [("reg.example:443", "")]  # type: ignore[attr-defined]
        wire.close()
