"""kubectl's streams with pods of a node that is not in the API server's process: its kubelet is asked over HTTPS."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet import KUBECTL
from tests.support.instance import Instance
from tests.support.ports import free_port
from tests.support.wait import eventually
from tests.system.test_kubernetes_streams import IMAGE, SERVER, Kubectl
from tests.system.test_nodes import flags, quick

pytestmark = [pytest.mark.root, pytest.mark.peers, pytest.mark.timeout(300), pytest.mark.ahead.with_args(KUBECTL)]
SAYS = "echo first; while read line; do echo heard $line; done"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Two nodes; the pod `web`, a web server and a console that repeats what it hears, is on the second."""
    root = tmp_path_factory.mktemp("s") / "i"
    address = f"--kubernetes-address=127.0.0.1:{free_port()}"
    made = Instance(root, *flags("10.118.0.0/16"), "--kubernetes-node-grace=40", "--nodes=2", address)
    quick(made)
    before = made.footprint()
    made.up()
    try:
        made.import_image((IMAGE,))
        kubectl = Kubectl(made)
        common = {"image": IMAGE, "imagePullPolicy": "IfNotPresent"}
        main = {"name": "main", "command": ["sh", "-c", SERVER], "ports": [{"containerPort": 8080}], **common}
        console = {"name": "console", "command": ["sh", "-c", SAYS], "stdin": True, **common}
        second = max((one["metadata"]["name"] for one in kubectl.json("get", "nodes")["items"]), key=len)
        spec = {"nodeName": second, "containers": [main, console], "terminationGracePeriodSeconds": 0}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
        kubectl.run("apply", "-f", "-", input=json.dumps(pod).encode())
        kubectl.run("wait", "--for=condition=Ready", "pod/web", "--timeout=55s")
        eventually(lambda: port_of(kubectl, second) > 0, "its kubelet listens")
        yield made
    finally:
        made.down(everything=True)
    made.assert_clean(before)


def port_of(kubectl: Kubectl, node: str) -> int:
    return int(kubectl.json("get", "node", node)["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"])


@pytest.fixture(params=["sockets", "spdy"])
def kubectl(request: pytest.FixtureRequest, engine: Instance) -> Kubectl:
    return Kubectl(engine, spdy=request.param == "spdy")


def test_commands_and_files(kubectl: Kubectl, tmp_path: Path) -> None:
    assert kubectl.run("exec", "-i", "web", "-c", "main", "--", "wc", "-c", input=b"x" * 3000000) == b"3000000\n"
    big = kubectl.run("exec", "web", "-c", "main", "--", "sh", "-c", "head -c 3000000 /dev/zero")
    assert big == b"\0" * 3000000
    said = kubectl.run("exec", "web", "-c", "main", "--", "sh", "-c", "exit 7", code=7)
    assert said == b"command terminated with exit code 7\n"
    assert b"executable file not found" in kubectl.run("exec", "web", "-c", "main", "--", "nosuch", code=1)
    (tmp_path / "there").write_bytes(b"cattle\n" * 100000)
    kubectl.run("cp", "-c", "main", str(tmp_path / "there"), "web:/tmp/file")
    kubectl.run("cp", "-c", "main", "web:/tmp/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()


def test_a_terminal(kubectl: Kubectl) -> None:
    ours, theirs = pty.openpty()
    command = [
        kubectl._program,
        "exec",
        "-it",
        "web",
        "-c",
        "main",
        "--",
        "sh",
        "-c",
        "tty; read x; echo got-$x; exit 4",
    ]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=kubectl.env)
    os.close(theirs)
    seen = b""
    try:
        while b"/dev/pts/" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"milk\n")
        while b"got-milk" not in seen:
            seen += os.read(ours, 4096)
        assert process.wait(60) == 4
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_logs_that_go_on(kubectl: Kubectl) -> None:
    follower = kubectl.popen("logs", "-f", "web", "-c", "console", "--tail=0")
    attached = subprocess.Popen(
        [kubectl._program, "attach", "-i", "web", "-c", "console"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kubectl.env,
    )
    try:
        assert follower.stdout is not None and attached.stdin is not None and attached.stdout is not None
        heard: list[Any] = []
        while not heard:  # what is said before the follower is there it does not hear
            attached.stdin.write(b"again\n")
            attached.stdin.flush()
            assert attached.stdout.readline() == b"heard again\n"
            heard, _, _ = select.select([follower.stdout], [], [], 0.2)
        assert follower.stdout.readline() == b"heard again\n"
    finally:
        for process in (follower, attached):
            process.kill()
            process.wait()
    assert kubectl.run("logs", "web", "-c", "console", "--tail=1") == b"heard again\n"


def test_ports(kubectl: Kubectl) -> None:
    port = free_port()
    process = kubectl.popen("port-forward", "pod/web", f"{port}:8080")
    try:
        assert process.stdout is not None and process.stdout.readline().startswith(b"Forwarding")
        for _ in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                assert answer.read() == b"served\n"
    finally:
        process.kill()
        process.wait()


def test_a_port_that_nobody_listens_on(kubectl: Kubectl) -> None:
    port = free_port()
    process = kubectl.popen("port-forward", "pod/web", f"{port}:81")
    try:
        assert process.stdout is not None and process.stdout.readline().startswith(b"Forwarding")
        # kubectl may close before it has read what we send: then the kernel says "reset" instead of "end".
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client, suppress(ConnectionResetError):
            client.sendall(b"?")
            assert client.recv(10) == b""
    finally:
        process.kill()
        process.wait()


def test_what_every_node_uses_and_says(engine: Instance) -> None:
    kubectl = Kubectl(engine)
    nodes = [one["metadata"]["name"] for one in kubectl.json("get", "nodes")["items"]]

    def shown(what: str) -> str:
        return kubectl.run("top", what, "--no-headers").decode()

    # Each kubelet is asked now and then.
    eventually(lambda: all(name in shown("nodes") for name in nodes), "all nodes are measured", seconds=60, step=0.5)
    eventually(lambda: "web" in shown("pods"), "the pod is measured", seconds=60, step=0.5)

    def raw(node: str, path: str) -> bytes:
        return kubectl.run("get", "--raw", f"/api/v1/nodes/{node}/proxy/{path}")

    for node in nodes:
        eventually(lambda node=node: port_of(kubectl, node) > 0, "its kubelet listens")  # type: ignore[misc]
        assert raw(node, "healthz") == b"ok"
        assert json.loads(raw(node, "stats/summary"))["node"]["nodeName"] == node
        assert b"node_cpu_usage_seconds_total" in raw(node, "metrics/resource")
    second = max(nodes, key=len)
    pods: Any = json.loads(raw(second, "pods"))["items"]
    assert [one["metadata"]["name"] for one in pods] == ["web"]
    summary = json.loads(raw(second, "stats/summary"))["pods"]
    assert sorted(one["name"] for one in summary[0]["containers"]) == ["console", "main"]
    assert b'container_memory_rss{container="main"' in raw(second, "metrics/cadvisor")
