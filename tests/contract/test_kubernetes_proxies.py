"""HTTP to pods, services and nodes through the API server."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from corral.cluster.apiserver.app import Options
from corral.cluster.apiserver.proxying.dialing import dial
from corral.cluster.client.stream import Stream
from corral.http.tls import server_context
from tests.support.fake_kubelet import FakeKubelet
from tests.support.kubernetes import LiveKubernetes, Namespace, numbered
from tests.support.streaming import SocketClient, Upgraded

pytestmark = pytest.mark.timeout(60)
ADDRESS = "10.244.0.5"
_names = numbered("proxied")


PAGE = b'<a href="/next">n</a><img src=pic.png><a href="https://example.org/">o</a>'


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        if self.path == "/redirect":
            self._send(302, b"", ("Location", "/login?x"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
        elif self.headers.get("Upgrade") == "echo":
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "echo")
            self.end_headers()
            self.wfile.write(self.rfile.readline().upper())
            self.close_connection = True
        elif self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        elif self.path in ("/page", "/packed"):
            packed = self.path == "/packed"
            coding = (("Content-Encoding", "gzip"),) if packed else ()
            body = gzip.compress(PAGE) if packed else PAGE
            self._send(200, body, ("Content-Type", "text/html; charset=utf-8"), *coding)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = f"{self.command} {self.path}\n{self.headers}".encode() + body
            self._send(200, told)

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _answer

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Backend:
    """The web servers behind the cluster's addresses: plain on one port, with TLS on another."""

    def __init__(self) -> None:
        self.ports: dict[int, int] = {}
        self._servers: list[tuple[http.server.ThreadingHTTPServer, threading.Thread]] = []

    def serve(self, port: int, identity: str = "") -> None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if identity:
            context = server_context(identity, identity, None)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.ports[port] = server.server_address[1]
        self._servers.append((server, thread))

    async def dial(self, address: str, port: int) -> Stream:
        assert address == ADDRESS
        if port not in self.ports:
            raise ConnectionRefusedError(111, "Connection refused")
        return await dial("127.0.0.1", self.ports[port])

    def close(self) -> None:
        for server, thread in self._servers:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKubernetes]:
    backend = Backend()
    folder = tmp_path_factory.mktemp("proxied")
    with LiveKubernetes(folder, options=Options(dial=backend.dial)) as cluster:
        backend.serve(8080)
        backend.serve(8443, str(cluster._pki.server))
        yield cluster
    backend.close()


@pytest.fixture
def own(proxied: LiveKubernetes) -> Namespace:
    """With a pod `web` and a service of the same name."""
    made = Namespace(proxied, next(_names))
    ports = [{"containerPort": 8080}]
    pod = {"nodeName": "n1", "containers": [{"name": "main", "image": "busybox", "ports": ports}]}
    made.create("pods", {"metadata": {"name": "web"}, "spec": pod})
    status = {"status": {"podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}}
    assert made.admin.patch(made.path("pods", "web", "status"), status).status == 200
    made.create("services", {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}]}})
    return made


def endpoints(own: Namespace) -> None:
    found = {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": ["10.244.0.9"], "conditions": {"ready": False}},
            {"addresses": [ADDRESS], "conditions": {"ready": True}},
        ],
    }
    own.create("endpointslices", found, "discovery.k8s.io/v1")


def test_requests_of_every_kind(own: Namespace) -> None:
    path = own.path("pods", "web:8080", "proxy")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        body = b"body" if method in ("POST", "PUT", "PATCH") else None
        answer = own.admin.ask(method, f"{path}/a%2Fb/?q=1&q", body, {"Authorization": "Basic secret", "X-Mine": "1"})
        told = answer.body.decode()
        assert answer.status == 200 and told.startswith(f"{method} /a%2Fb/?q=1&q\n"), told
        assert f"Host: {ADDRESS}:8080" in told and "x-mine: 1" in told and told.endswith("body") == bool(body)
        assert "secret" not in told and "X-Forwarded-Proto: https" in told
    answer = own.admin.ask("HEAD", f"{path}/x")
    assert answer.status == 200 and answer.body == b"" and int(answer.headers["content-length"]) > 0


def test_a_redirect_leads_through_the_proxy_again(own: Namespace) -> None:
    path = own.path("pods", "web", "proxy")
    answer = own.admin.ask("GET", f"{path}/redirect")
    assert (answer.status, answer.headers["location"]) == (302, f"{path}/login?x")
    answer = own.admin.ask("GET", f"{path}?q=1")
    assert (answer.status, answer.headers["location"]) == (301, f"{path}/?q=1")


def test_links_of_a_page_lead_through_the_proxy_again(own: Namespace) -> None:
    path = own.path("pods", "web", "proxy")
    wanted = PAGE.replace(b"/next", f"{path}/next".encode())
    assert own.admin.ask("GET", f"{path}/page").body == wanted
    packed = own.admin.ask("GET", f"{path}/packed", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and gzip.decompress(packed.body) == wanted
    head = own.admin.ask("HEAD", f"{path}/page")
    assert head.headers["content-length"] == str(len(PAGE))


def test_pieces_and_tls(own: Namespace) -> None:
    assert own.admin.ask("GET", own.path("pods", "web", "proxy/chunks")).body == b"onetwo"
    told = own.admin.ask("GET", own.path("pods", "https:web:8443", "proxy/x")).body
    assert told.startswith(b"GET /x\n")
    big = own.admin.ask("POST", own.path("pods", "https:web:8443", "proxy/x"), b"x" * 500000)
    assert big.body.endswith(b"x" * 500000)


def test_services(own: Namespace) -> None:
    path = own.path("services", "web", "proxy/x")
    assert own.admin.ask("GET", path).told == (503, "ServiceUnavailable", 'no endpoints available for service "web"')
    endpoints(own)
    for name in ("web", "web:80", "web:http", "http:web:http"):
        assert own.admin.ask("GET", own.path("services", name, "proxy/x")).body.startswith(b"GET /x\n")
    told = own.admin.ask("GET", own.path("services", "web:81", "proxy/x")).told
    assert told == (503, "ServiceUnavailable", 'no service port 81 found for service "web"')


def test_another_protocol(own: Namespace) -> None:
    path = own.path("pods", "web", "proxy/ws")
    headers = {"Connection": "Upgrade", "Upgrade": "echo"}
    client = Upgraded(own.cluster.port, own.admin._context, path, headers)
    assert client.headers["upgrade"] == "echo"
    client.socket.sendall(b"hello\n")
    assert client.take(6) == b"HELLO\n"
    with pytest.raises(EOFError):
        client.more()
    client.close()


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("web:1", 503, f"error trying to reach service: dial tcp {ADDRESS}:1: connect: connection refused"),
        ("ftp:web:1", 400, 'invalid pod request "ftp:web:1"'),
        ("web:x", 400, 'invalid port "x" of web'),
        ("none", 404, 'pods "none" not found'),
        ("new", 400, "address not allowed"),
        ("https:web:8080", 503, "error trying to reach service"),
    ],
)
def test_what_cannot_be_reached(own: Namespace, name: str, status: int, text: str) -> None:
    own.pod("new")
    answer = own.admin.ask("GET", own.path("pods", name, "proxy/"))
    assert answer.status == status and text in answer.told[2]


def test_a_pod_is_not_this_server(own: Namespace) -> None:
    own.pod("bad")
    status = {"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
    assert own.admin.patch(own.path("pods", "bad", "status"), status).status == 200
    assert own.admin.ask("GET", own.path("pods", "bad:22", "proxy/")).told == (400, "BadRequest", "address not allowed")


def test_what_a_node_says_of_itself(cluster: LiveKubernetes, ns: Namespace) -> None:
    admin, name = cluster.admin, f"node-{ns.name}"
    kubelet = cluster.run(FakeKubelet.open(cluster, name))
    try:
        kubelet.register()
        path = f"/api/v1/nodes/{name}:{kubelet.port}/proxy"
        assert admin.ask("GET", f"{path}/healthz").body == b"ok"
        ns.create("pods", {"metadata": {"name": "here"}, "spec": {"nodeName": name, "containers": [
            {"name": "main", "image": "busybox"}]}})  # fmt: skip
        plain = f"/api/v1/nodes/{name}/proxy"
        assert [one["metadata"]["name"] for one in admin.get(f"{plain}/pods")["items"]] == ["here"]
        assert admin.ask("GET", f"{plain}/containerLogs/{ns.name}/here/main").body == b"one\ntwo\n"
        answer = admin.ask("GET", f"{plain}/run/a")
        assert answer.status == 404 and b"does not serve /run" in answer.body
        command = f"{plain}/exec/{ns.name}/here/main?command=echo&command=hi&output=1"
        client = SocketClient(cluster.port, admin._context, command, "v5.channel.k8s.io")
        assert client.all()[1] == b"hi\n"
        assert admin.ask("GET", f"/api/v1/nodes/{name}:1/proxy/").told == (400, "BadRequest", "address not allowed")
    finally:
        cluster.run(kubelet.close())
    assert admin.ask("GET", f"{plain}/healthz").told[:2] == (503, "ServiceUnavailable")


def test_a_kubelet_must_be_the_node_that_is_meant(cluster: LiveKubernetes, ns: Namespace) -> None:
    name = f"node-{ns.name}"
    kubelet = cluster.run(FakeKubelet.open(cluster, name, certified="another"))
    try:
        kubelet.register()
        status, _, text = cluster.admin.ask("GET", f"/api/v1/nodes/{name}/proxy/healthz").told
        assert status == 503 and "CERTIFICATE_VERIFY_FAILED" in text
    finally:
        cluster.run(kubelet.close())
