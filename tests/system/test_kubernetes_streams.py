"""Logs, commands, consoles and ports of real pods, by kubectl."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet import KUBECTL
from tests.support.instance import Instance
from tests.support.ports import free_port
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.peers, pytest.mark.timeout(180), pytest.mark.ahead.with_args(KUBECTL)]
IMAGE = "busybox:latest"
SERVER = "mkdir /www; echo served > /www/index.html; exec httpd -f -p 8080 -h /www"


class Kubectl:
    """kubectl as the administrator of an instance. `spdy`: as it was before web sockets."""

    def __init__(self, engine: Instance, *, spdy: bool = False) -> None:
        self._program = str(KUBECTL())
        off = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
        self.env = engine.env({"KUBECONFIG": str(engine.root / "run/kubeconfig"), **(off if spdy else {})})

    def run(self, *args: str, input: bytes = b"", code: int = 0) -> bytes:
        done = subprocess.run([self._program, *args], input=input, capture_output=True, timeout=60, env=self.env)
        assert done.returncode == code, (args, done)
        return done.stdout + (done.stderr if code else b"")

    def json(self, *args: str) -> Any:
        return json.loads(self.run(*args, "-o", "json"))

    def popen(self, *args: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self._program, *args], stdout=subprocess.PIPE, env=self.env)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """With the pod `web`: a web server and a console that repeats what it hears."""
    root = tmp_path_factory.mktemp("s") / "i"
    made = Instance(root, "--kubernetes=true", f"--kubernetes-address=127.0.0.1:{free_port()}")
    made.up()
    try:
        made.import_image((IMAGE,))
        kubectl = Kubectl(made)
        eventually(lambda: bool(kubectl.json("get", "nodes")["items"]), "the node is there")
        node = kubectl.json("get", "nodes")["items"][0]["metadata"]["name"]
        common = {"image": IMAGE, "imagePullPolicy": "Never"}
        main = {"name": "main", "command": ["sh", "-c", SERVER], "ports": [{"containerPort": 8080}], **common}
        says = "echo first; while read line; do echo heard $line; done"
        console = {"name": "console", "command": ["sh", "-c", says], "stdin": True, **common}
        spec = {"nodeName": node, "containers": [main, console], "terminationGracePeriodSeconds": 0}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
        kubectl.run("apply", "-f", "-", input=json.dumps(pod).encode())
        kubectl.run("wait", "--for=condition=Ready", "pod/web", "--timeout=50s")
        yield made
    finally:
        made.down(everything=True)


@pytest.fixture(params=["sockets", "spdy"])
def kubectl(request: pytest.FixtureRequest, engine: Instance) -> Kubectl:
    return Kubectl(engine, spdy=request.param == "spdy")


def test_commands(kubectl: Kubectl) -> None:
    assert kubectl.run("exec", "web", "-c", "main", "--", "echo", "hi") == b"hi\n"
    assert kubectl.run("exec", "-i", "web", "-c", "main", "--", "wc", "-c", input=b"x" * 3000000) == b"3000000\n"
    said = kubectl.run("exec", "web", "-c", "main", "--", "sh", "-c", "exit 7", code=7)
    assert said == b"command terminated with exit code 7\n"


def test_copies(kubectl: Kubectl, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    (tmp_path / "a").write_bytes(data)
    kubectl.run("cp", str(tmp_path / "a"), "web:/tmp/a", "-c", "main")
    kubectl.run("cp", "web:/tmp/a", str(tmp_path / "b"), "-c", "main")
    assert (tmp_path / "b").read_bytes() == data


def test_a_console(kubectl: Kubectl) -> None:
    process = subprocess.Popen(
        [kubectl._program, "attach", "-i", "web", "-c", "console"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kubectl.env,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"word\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"heard word\n"
    process.kill()
    process.communicate()


def test_ports(kubectl: Kubectl) -> None:
    process = kubectl.popen("port-forward", "pod/web", ":8080")
    try:
        assert process.stdout is not None
        first = process.stdout.readline().decode()  # Forwarding from 127.0.0.1:41234 -> 8080
        port = int(first.split(" -> ")[0].rpartition(":")[2])
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"served\n"
            connection.close()
    finally:
        process.terminate()
        process.communicate()


def test_logs_and_proxies(engine: Instance) -> None:
    kubectl = Kubectl(engine)
    assert kubectl.run("logs", "web", "-c", "console", "--tail=-1").startswith(b"first\n")
    assert b"container x is not valid for pod web" in kubectl.run("logs", "web", "-c", "x", code=1)
    path = "/api/v1/namespaces/default/pods/web"
    assert kubectl.run("get", "--raw", f"{path}/proxy/index.html") == b"served\n"
    told = kubectl.run("get", "--raw", f"{path}/log", code=1).decode()
    assert "a container name must be specified for pod web, choose one of: [main console]" in told


def test_a_pod_of_the_moment(engine: Instance) -> None:
    """Run, attached, its exit code handed on, deleted."""
    kubectl = Kubectl(engine)
    args = ("run", "brief", "-i", "--rm", "--restart=Never", f"--image={IMAGE}", "--image-pull-policy=Never", "--quiet")
    said = kubectl.run(*args, "--", "sh", "-c", "cat; exit 3", input=b"hello\n", code=3)
    assert said.startswith(b"hello\n")
    kubectl.run("get", "pod", "brief", code=1)


def test_a_container_to_debug_with(engine: Instance) -> None:
    kubectl = Kubectl(engine)
    args = ("debug", "web", "-i", f"--image={IMAGE}", "--image-pull-policy=Never", "--target=main", "--quiet")
    assert b"hello" in kubectl.run(*args, "-c", "look", "--", "head", "-n1", input=b"hello\n")
    assert kubectl.run("logs", "web", "-c", "look") == b"hello\n"
