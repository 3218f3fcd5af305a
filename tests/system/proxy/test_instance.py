"""A whole instance: its daemon serves the API, and its name server and services work."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.daemon.cluster_network import plan_table
from corral.networks.dns.wire import A, ask, read_answer
from tests.support.endpoint import BUSYBOX
from tests.support.instance import Instance
from tests.support.ports import free_port
from tests.support.wait import PATIENCE, eventually
from tests.system.test_kubernetes import Admin

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Instance]:
    # Addresses of its own: the host's packets go to whichever instance has a Service there.
    subnet = "--kubernetes-service-subnet=10.111.0.0/16"
    made = Instance(tmp_path / "i", "--kubernetes=true", f"--kubernetes-address=127.0.0.1:{free_port()}", subnet)
    made.up()
    try:
        yield made
    finally:
        made.down(everything=True)
        assert plan_table(str(made.root)) not in _tables()


def _tables() -> str:
    return subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout


def _resolve(name: str, server: str = "10.111.0.10") -> tuple[int, bool, list[str]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2 * PATIENCE)
        client.connect((server, 53))
        client.send(ask(name, A))
        return read_answer(client.recv(1500))


def test_names_and_services_of_an_instance(engine: Instance) -> None:
    admin = Admin(engine)
    assert eventually(lambda: _resolve("kubernetes.default.svc.cluster.local")[2], "an answer") == ["10.111.0.1"]
    assert _resolve("kubernetes.default.default.svc.cluster.local")[0] == 3
    assert plan_table(str(engine.root)) in _tables()
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"clusterIP": "10.111.7.7", "ports": [{"port": 80}]},
    }
    admin.ask("POST", "/api/v1/namespaces/default/services", service)
    assert eventually(lambda: _resolve("web.default.svc.cluster.local")[2], "the name") == ["10.111.7.7"]
    eventually(lambda: _refused("10.111.7.7"), "a refusal")
    with socket.create_server(("0.0.0.0", 0)) as server:
        gateway = _gateway(admin)
        piece = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": server.getsockname()[1], "protocol": "TCP"}],
            "endpoints": [{"addresses": [gateway]}],
        }
        admin.ask("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", piece)
        server.settimeout(5 * PATIENCE)
        client = eventually(lambda: socket.create_connection(("10.111.7.7", 80), 2), "a connection")
        with client:
            accepted, _ = server.accept()
            accepted.close()
    engine.down()
    assert plan_table(str(engine.root)) in _tables()  # services work on without the daemon
    engine.up("--kubernetes=false")
    assert plan_table(str(engine.root)) not in _tables()


def test_pods_call_each_other_by_name(engine: Instance) -> None:
    """Real pods: what a Deployment's pods serve is reached through the Service's name, from a pod that finds it in its
    resolv.conf, and no more when a policy says so."""
    admin = Admin(engine)
    engine.import_image()
    labels = {"app": "web"}
    serve = "mkdir /www; hostname >/www/index.html; exec httpd -f -p 8080 -h /www"
    container = {"name": "c", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["/bin/sh", "-c", serve]}
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 20}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{**container, "readinessProbe": probe}]}}
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    service = {"metadata": {"name": "web"}, "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}}
    look = f"while :; do timeout {int(PATIENCE)} wget -q -O - http://web || echo none; sleep 0.2; done"
    pod = {"metadata": {"name": "client"}, "spec": {"containers": [{**container, "command": ["/bin/sh", "-c", look]}]}}
    admin.ask("POST", "/apis/apps/v1/namespaces/default/deployments", deployment)
    admin.ask("POST", "/api/v1/namespaces/default/services", service)
    admin.ask("POST", "/api/v1/namespaces/default/pods", pod)

    def told(lines: int) -> list[str]:
        status = admin.ask("GET", "/api/v1/namespaces/default/pods/client")["status"]
        assert status.get("phase") == "Running", status
        found = _log(engine, status["containerStatuses"][0]["containerID"])
        return found[-lines:]

    eventually(
        lambda: len({line for line in told(20) if line.startswith("web-")}) == 2, lambda: str(told(20)), seconds=40
    )
    policy = {"metadata": {"name": "deny"}, "spec": {"podSelector": {"matchLabels": labels}}}
    admin.ask("POST", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", policy)
    eventually(lambda: set(told(2)) == {"none"}, lambda: str(told(4)), seconds=20)


def _log(engine: Instance, id: str) -> list[str]:
    found = engine.get(f"/containers/{id.rpartition('/')[2]}/logs", query={"stdout": "1", "tail": "40"}).body
    lines, at = [], 0
    while at + 8 <= len(found):  # Docker's frames
        size = int.from_bytes(found[at + 4 : at + 8], "big")
        lines += found[at + 8 : at + 8 + size].decode().splitlines()
        at += 8 + size
    return lines


def _refused(address: str) -> bool:
    try:
        socket.create_connection((address, 80), 2).close()
    except ConnectionRefusedError:
        return True
    return False


def _gateway(admin: Admin) -> str:
    """The address of the node on the pods' bridge: that of the name server."""
    found = admin.ask("GET", "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices")
    body = json.loads(found.body) if isinstance(found, http.client.HTTPResponse) else found
    address: str = body["items"][0]["endpoints"][0]["addresses"][0]
    return address
