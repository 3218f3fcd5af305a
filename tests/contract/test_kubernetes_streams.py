"""Logs, commands, consoles and ports of pods, as the clients' protocols have them, over HTTPS.

Each test runs with a node in the API server's process, and with one that has a kubelet's server elsewhere.
"""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from corral.cluster.client.nodes import LogOptions
from corral.http.spdy.frames import Ping, Reset, SynReply
from corral.http.websocket import BINARY, CLOSE, CONTINUATION, TEXT
from tests.support.fake_kubelet import FakeKubelet
from tests.support.fake_node import FakeNode
from tests.support.kubernetes import ApiClient, LiveKubernetes, Namespace
from tests.support.streaming import Refused, SocketClient, SpdyClient, spdy

pytestmark = pytest.mark.timeout(60)
SUCCESS = {"metadata": {}, "status": "Success"}


class Pods:
    """A namespace with the pods `web` (one container) and `two` (an init container and two others) on a fake node."""

    def __init__(self, cluster: LiveKubernetes, ns: Namespace, *, elsewhere: bool) -> None:
        self.cluster, self.ns = cluster, ns
        self.name = f"node-{ns.name}"
        self._kubelet: FakeKubelet | None = None
        if elsewhere:
            self._kubelet = cluster.run(FakeKubelet.open(cluster, self.name))
            self._kubelet.register()
            self.node = self._kubelet.access
        else:
            self.node = cluster.api.nodes[self.name] = cluster.run(_fake())
        box = {"image": "busybox"}
        containers = [{"name": "a", **box}, {"name": "stopped", **box}]
        self._pod("web", {"containers": [{"name": "main", **box}]})
        self._pod("two", {"initContainers": [{"name": "first", **box}], "containers": containers})
        self.context: ssl.SSLContext = cluster.admin._context

    def close(self) -> None:
        if self._kubelet is not None:
            self.cluster.run(self._kubelet.close())
        else:
            del self.cluster.api.nodes[self.name]

    def _pod(self, name: str, spec: Any) -> None:
        self.ns.create("pods", {"metadata": {"name": name}, "spec": {"nodeName": self.name, **spec}})

    def path(self, pod: str, rest: str) -> str:
        return self.ns.path("pods", pod, rest)

    def socket(self, pod: str, rest: str, *protocols: str, **headers: str) -> SocketClient:
        return SocketClient(self.cluster.port, self.context, self.path(pod, rest), *protocols, headers=headers)

    def spdy(self, pod: str, rest: str, *protocols: str) -> SpdyClient:
        return SpdyClient(spdy(self.cluster.port, self.context, self.path(pod, rest), *protocols))


async def _fake() -> FakeNode:
    return FakeNode()


@pytest.fixture(params=["here", "elsewhere"])
def pods(cluster: LiveKubernetes, ns: Namespace, request: pytest.FixtureRequest) -> Iterator[Pods]:
    made = Pods(cluster, ns, elsewhere=request.param == "elsewhere")
    yield made
    made.close()


@pytest.fixture
def port() -> Iterator[int]:
    """A web server on this machine's loopback, which answers with the path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.path.encode() * 20000
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


# Logs


def test_logs_and_their_options(pods: Pods) -> None:
    admin, path = pods.ns.admin, pods.path("web", "log")
    answer = admin.ask("GET", f"{path}?tailLines=2&timestamps=true&limitBytes=9&insecureSkipTLSVerifyBackend=true")
    assert answer.status == 200 and answer.body == b"one\ntwo\n" and answer.headers["content-type"] == "text/plain"
    assert pods.node.asked == [LogOptions("main", timestamps=True, tail=2, limit=9)]
    admin.ask("GET", f"{path}?sinceTime=2026-01-01T00:00:00Z&stream=Stderr")
    assert pods.node.asked[-1] == LogOptions("main", since=1767225600 * 10**9, stream="Stderr")


@pytest.mark.parametrize(
    ("pod", "query", "status", "text"),
    [
        ("two", "", 400, "a container name must be specified for pod two, choose one of: [first a stopped]"),
        ("two", "container=x", 400, "container x is not valid for pod two"),
        ("web", "previous=true", 400, 'previous terminated container "main" in pod "web" not found'),
        ("web", "tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("web", "limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ("web", "sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("web", "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", 422, "at most one of `sinceTime` or `sinceSeconds`"),
        ("web", "stream=x", 422, 'stream: Unsupported value: "x": supported values: "All", "Stderr", "Stdout"'),
        ("web", "tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("none", "", 404, 'pods "none" not found'),
    ],
)
def test_logs_that_are_refused(pods: Pods, pod: str, query: str, status: int, text: str) -> None:
    answer = pods.ns.admin.ask("GET", f"{pods.path(pod, 'log')}?{query}")
    assert answer.status == status and text in answer.told[2]


def test_a_log_is_followed_until_its_reader_leaves(pods: Pods) -> None:
    watch = pods.ns.admin.watch(f"{pods.path('web', 'log')}?follow=true")
    assert watch.answer.readline() == b"one\n" and watch.answer.readline() == b"two\n"
    watch.answer.close()
    watch.close()
    pods.cluster.run(pods.node.log_closed.wait())


@pytest.mark.parametrize("protocol", ["binary.k8s.io", "base64.binary.k8s.io", ""])
def test_a_log_through_a_web_socket(pods: Pods, protocol: str) -> None:
    client = pods.socket("web", "log?container=main", *([protocol] if protocol else []))
    assert client.headers.get("sec-websocket-protocol", "") == protocol
    coded = protocol.startswith("base64.")
    said = b""
    while (found := client.receive())[0] != CLOSE:
        assert found[0] == (TEXT if coded else BINARY)
        said += base64.b64decode(found[1]) if coded else found[1]
    assert said == b"one\ntwo\n" and found[1] == struct.pack(">H", 1000)
    client.close()


def test_a_log_through_a_web_socket_ends_with_its_reader(pods: Pods) -> None:
    client = pods.socket("web", "log?follow=true", "binary.k8s.io")
    opcode, data = client.receive()
    assert opcode == BINARY and data.startswith(b"one\n")  # what comes through a kubelet may come as one piece
    client.close()
    pods.cluster.run(pods.node.log_closed.wait())
    with pytest.raises(Refused, match="requested protocol") as refused:
        pods.socket("web", "log", "v5.channel.k8s.io")
    assert refused.value.status == 403


def test_pods_without_a_node_and_of_other_nodes(pods: Pods) -> None:
    admin, ns = pods.ns.admin, pods.ns
    ns.pod("waits")
    assert admin.ask("GET", pods.path("waits", "log")).status == 204
    with pytest.raises(Refused, match="pod waits does not have a host assigned") as refused:
        pods.socket("waits", "exec?command=x&stdout=1", "v4.channel.k8s.io")
    assert refused.value.status == 400
    far = f"far-{ns.name}"
    ns.create("pods", {"metadata": {"name": "far"}, "spec": {"nodeName": far, "containers": [
        {"name": "main", "image": "busybox"}]}})  # fmt: skip
    assert admin.ask("GET", pods.path("far", "log")).told == (404, "NotFound", f'nodes "{far}" not found')
    admin.ask("POST", "/api/v1/nodes", {"metadata": {"name": far}})
    assert admin.ask("GET", pods.path("far", "log")).told[:2] == (503, "ServiceUnavailable")


# Commands


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_a_command_through_a_web_socket(pods: Pods, protocol: str) -> None:
    query = "exec?command=sh&command=-c&command=echo+out;echo+err+>%262;exit+3&stdout=true&stderr=true"
    client = pods.socket("web", query, "v9.channel.k8s.io", protocol)
    assert client.headers["sec-websocket-protocol"] == protocol
    found = client.all()
    status = json.loads(found.pop(3))
    assert found == {1: b"out\n", 2: b"err\n"}
    assert status["status"] == "Failure" and status["reason"] == "NonZeroExitCode"
    assert status["message"] == "command terminated with exit code 3"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    client.close()


def test_input_and_its_end(pods: Pods) -> None:
    client = pods.socket("web", "exec?command=cat&stdin=true&stdout=true", "v5.channel.k8s.io")
    client.send(b"\x00hel", last=False)
    client.send(b"lo", CONTINUATION)
    client.send(b"\x00" + b"x" * 300000)
    client.send(b"\xff\x00")
    found = client.all()
    assert found[1] == b"hello" + b"x" * 300000 and json.loads(found[3]) == SUCCESS
    client.close()


def test_browsers_speak_base64(pods: Pods) -> None:
    client = pods.socket("web", "exec?command=head&command=-n1&stdin=1&stdout=1", "v4.base64.channel.k8s.io")
    client.send(b"0" + base64.b64encode(b"hello\n"), TEXT)
    said = b""
    opcode, data = client.receive()
    assert (opcode, data) == (TEXT, b"1")
    while not said.endswith(b"hello\n"):
        opcode, data = client.receive()
        assert opcode == TEXT and data[:1] == b"1"
        said += base64.b64decode(data[1:])
    assert json.loads(base64.b64decode(client.all()[3])) == SUCCESS
    client.close()


def test_the_first_protocol_says_errors_as_text(pods: Pods) -> None:
    client = pods.socket("web", "exec?command=false&stdout=1", "channel.k8s.io")
    assert client.all() == {1: b"", 3: b"command terminated with exit code 1"}
    client.close()


def test_a_terminal_and_its_size(pods: Pods) -> None:
    script = "stty+-echo;read+x;stty+size"
    query = f"exec?command=sh&command=-c&command={script}&stdin=1&stdout=1&stderr=1&tty=1"
    client = pods.socket("web", query, "v4.channel.k8s.io")
    client.send(b'\x04{"Width":100,"Height":30}')
    client.send(b"\x00go\n")
    assert b"30 100" in client.all()[1]
    assert pods.node.asked[-1][2:] == (True, True, False, True)
    client.close()


def test_who_leaves_ends_the_stream(pods: Pods) -> None:
    client = pods.socket("web", "attach?stdin=1&stdout=1", "v5.channel.k8s.io")
    assert client.receive()[1] == b"\x01" and client.receive()[1] == b"\x01hello\n"
    client.ping()
    client.close()
    pods.cluster.run(pods.node.consoles[0].closed.wait())


def test_attached_to_a_console(pods: Pods) -> None:
    client = pods.socket("web", "attach?stdin=1&stdout=1", "v5.channel.k8s.io")
    assert client.receive()[1] == b"\x01" and client.receive()[1] == b"\x01hello\n"
    client.send(b"\x00word")
    assert client.receive()[1] == b"\x01WORD"  # alone: what is sent at once may come as one piece
    client.send(b"\x00end")
    assert json.loads(client.all()[3]) == SUCCESS
    client.close()


@pytest.mark.parametrize(
    ("pod", "rest", "protocols", "status", "text"),
    [
        ("web", "exec?command=x", ("v4.channel.k8s.io",), 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("web", "exec?stdout=1", ("v4.channel.k8s.io",), 400, "at least one command"),
        ("two", "exec?command=x&stdout=1", ("v4.channel.k8s.io",), 400, "choose one of: [first a stopped]"),
        ("two", "exec?command=x&stdout=1&container=stopped", (), 500, '"message":"container not found (\\"stopped\\")'),
        ("web", "exec?command=x&stdout=1", ("v9.channel.k8s.io",), 403, "requested protocol(s) are not supported"),
        ("web", "portforward", ("v4.channel.k8s.io",), 400, 'query parameter \\"port\\" is required'),
        ("web", "portforward?ports=0", ("v4.channel.k8s.io",), 400, "must be > 0"),
    ],
)
def test_streams_that_are_refused(
    pods: Pods, pod: str, rest: str, protocols: tuple[str, ...], status: int, text: str
) -> None:
    with pytest.raises(Refused) as refused:
        pods.socket(pod, rest, *protocols)
    assert refused.value.status == status and text in refused.value.body.decode()


def test_plain_http_is_no_stream(pods: Pods) -> None:
    told = pods.ns.admin.ask("POST", pods.path("web", "exec?command=x&stdout=1")).told
    assert told == (400, "BadRequest", "Upgrade request required")
    assert pods.ns.admin.ask("DELETE", pods.path("web", "exec")).status == 405


def test_reading_does_not_let_one_run_things(pods: Pods) -> None:
    """A web socket is a GET: create is asked for all the same."""
    rbac = "rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}]
    pods.ns.create("roles", {"metadata": {"name": "reader"}, "rules": rules}, rbac)
    subject = {"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    pods.ns.create("rolebindings", {"metadata": {"name": "reader"}, "roleRef": ref, "subjects": [subject]}, rbac)
    with pytest.raises(Refused, match='cannot create resource \\\\\\\\"pods/exec') as refused:
        pods.socket("web", "exec?command=x&stdout=1", "v4.channel.k8s.io", **{"Impersonate-User": "reader"})
    assert refused.value.status == 403


# SPDY


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "channel.k8s.io"])
def test_a_command_through_spdy(pods: Pods, protocol: str) -> None:
    query = "exec?command=sh&command=-c&command=cat;echo+err+>%262;exit+3&stdin=1&stdout=1&stderr=1"
    client = pods.spdy("web", query, "v9.channel.k8s.io", protocol)
    error, stdin, stdout, stderr = (client.open(streamtype=one) for one in ("error", "stdin", "stdout", "stderr"))
    client.write(stdin, b"hello ")
    client.write(stdin, b"x" * 300000)
    client.write(stdin, fin=True)
    found = client.until_ended(error, stdout, stderr)
    assert found[stdout] == b"hello " + b"x" * 300000 and found[stderr] == b"err\n"
    if protocol.startswith("v4"):
        assert json.loads(found[error])["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    else:
        assert found[error] == b"command terminated with exit code 3"
    client.close()


def test_spdy_streams_that_nobody_asked_for(pods: Pods) -> None:
    client = pods.spdy("web", "exec?command=true&stdout=1", "v4.channel.k8s.io")
    stray = client.open(streamtype="stdin")
    assert isinstance(client.frame(), SynReply)
    assert client.frame() == Reset(stray, 3)
    client.ping(1)
    assert client.frame() == Ping(1)
    error, stdout = client.open(streamtype="error"), client.open(streamtype="stdout")
    assert json.loads(client.until_ended(error, stdout)[error]) == SUCCESS
    client.close()


def test_spdy_protocols_that_nobody_knows(pods: Pods) -> None:
    with pytest.raises(Refused, match="unable to negotiate protocol") as refused:
        pods.spdy("web", "exec?command=true&stdout=1", "v9.channel.k8s.io")
    assert refused.value.status == 403
    with pytest.raises(Refused, match="X-Stream-Protocol-Version is required"):
        pods.spdy("web", "exec?command=true&stdout=1")


# Ports


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.0\r\n\r\n".encode()


@pytest.mark.parametrize("tunnel", [True, False])
def test_ports_through_spdy(pods: Pods, port: int, tunnel: bool) -> None:
    if tunnel:
        client = SpdyClient(pods.socket("web", "portforward", "SPDY/3.1+portforward.k8s.io"))
    else:
        client = pods.spdy("web", "portforward", "portforward.k8s.io")
    pairs = []
    for number in range(3):  # at the same time
        more = {"port": str(port), "requestid": str(number)}
        error, data = client.open(fin=True, streamtype="error", **more), client.open(streamtype="data", **more)
        client.write(data, _get(f"/{number}"))
        pairs.append((error, data))
    found = client.until_ended(*(stream for pair in pairs for stream in pair))
    for number, (error, data) in enumerate(pairs):
        assert found[error] == b"" and found[data].endswith(f"/{number}".encode() * 20000)
    error = client.open(fin=True, streamtype="error", port="1", requestid="9")
    data = client.open(streamtype="data", port="1", requestid="9")
    said = client.until_ended(error, data)[error].decode()
    assert said.startswith("error forwarding port 1 to pod web, uid ") and said.endswith("connection refused")
    client.close()


def test_ports_through_channels(pods: Pods, port: int) -> None:
    client = pods.socket("web", f"portforward?ports={port},1", "v4.channel.k8s.io")
    client.send(b"\x00" + _get("/x"))
    found = client.all()
    assert [found[n][:2] for n in range(4)] == [struct.pack("<H", n) for n in (port, port, 1, 1)]
    assert found[0].endswith(b"/x" * 20000) and found[1][2:] == b"" and b"connection refused" in found[3]
    client.close()


def test_bodies_may_not_be_shown_to_strangers(pods: Pods) -> None:
    stranger: ApiClient = pods.cluster.nobody
    assert stranger.ask("GET", pods.path("web", "log")).status == 403


def test_a_dead_kubelet_is_told_in_the_words_of_who_asked_it(cluster: LiveKubernetes, ns: Namespace) -> None:
    pods = Pods(cluster, ns, elsewhere=True)
    pods.close()
    kubelet = cluster.admin.get(f"/api/v1/nodes/{pods.name}")["status"]
    at = f"{kubelet['addresses'][0]['address']}:{kubelet['daemonEndpoints']['kubeletEndpoint']['Port']}"
    refused = f"dial tcp {at}: connect: connection refused"
    url = f"https://{at}/containerLogs/{ns.name}/web/main?tailLines=3"
    assert cluster.admin.ask("GET", pods.path("web", "log?tailLines=3")).told == (500, "", f'Get "{url}": {refused}')
    with pytest.raises(Refused) as caught:
        pods.socket("web", "exec?command=ls&stdout=1", "v5.channel.k8s.io")
    assert caught.value.status == 500 and f"error dialing backend: {refused}" in str(caught.value)
