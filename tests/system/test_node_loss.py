"""A node that is drained, and one whose network is cut off: its pods go elsewhere, and it comes back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleet import KUBECTL
from tests.support.wait import eventually
from tests.system.test_kubernetes_streams import Kubectl
from tests.system.test_nodes import Fleet, brief, three_nodes

pytestmark = [pytest.mark.root, pytest.mark.peers, pytest.mark.timeout(400), pytest.mark.ahead.with_args(KUBECTL)]
URL = "http://web.default.svc.cluster.local"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    patient = "--kubernetes-node-grace=10"  # no node of a busy machine is taken for lost
    with three_nodes(tmp_path / "i", "10.119.0.0/16", patient) as found:
        yield found


class Network:
    """That of a node on this machine: a namespace with a cable."""

    def __init__(self, node: Path) -> None:
        join = json.loads((node / "node/join.json").read_text())
        self._entrance, self.gateway = f"--net={join['netns']}", join["server"].split("//")[1].split(":")[0]

    def ip(self, *words: str) -> str:
        command = ["nsenter", self._entrance, "ip", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_node_is_drained_and_used_again(fleet: Fleet) -> None:
    first, second, third = fleet.names()
    kubectl = Kubectl(fleet.engine)
    fleet.deploy(6)
    said = kubectl.run("drain", third, "--ignore-daemonsets", "--timeout=120s").decode()
    assert "evicted" in said and f"node/{third} drained" in said
    fleet.await_serving(6, without=third)
    assert "SchedulingDisabled" in kubectl.run("get", "node", third, "--no-headers").decode()
    kubectl.run("uncordon", third)
    kubectl.run("cordon", second)
    kubectl.run("rollout", "restart", "deployment/web")
    kubectl.run("rollout", "status", "deployment/web", "--timeout=55s")
    fleet.await_serving(6, without=second)
    assert {pod["spec"]["nodeName"] for pod in fleet.serving()} == {first, third}


def test_a_node_that_is_cut_off_comes_back_when_its_network_does(fleet: Fleet) -> None:
    second = fleet.names()[1]
    kubectl = Kubectl(fleet.engine)
    fleet.deploy(6)
    cut = Network(fleet.engine.root / "nodes/2")
    routes = set(cut.ip("route", "show").split("\n"))
    cut.ip("link", "set", "eth0", "down")
    eventually(lambda: fleet.nodes()[second] == "Unknown", "the node is missed", seconds=60)
    fleet.await_serving(6, without=second)
    assert b"error" in kubectl.run("get", "--raw", f"/api/v1/nodes/{second}/proxy/healthz", code=1).lower()

    cut.ip("link", "set", "eth0", "up")
    eventually(lambda: fleet.nodes()[second] == "True", "the node is back", seconds=60)
    eventually(lambda: len(fleet.pods()) == 6, lambda: str([brief(pod) for pod in fleet.pods()]), seconds=60)

    def missing() -> set[str]:
        present = set(cut.ip("route", "show").split("\n"))
        return {line for line in routes if line.startswith(("10.", "default "))} - present

    eventually(lambda: not missing(), lambda: str(missing()), seconds=60)

    def hears_everybody() -> bool:
        """The node has learned of what happened meanwhile, and its packets find their ways."""
        everybody = {pod["metadata"]["name"] for pod in fleet.serving()}
        return len(everybody) == 6 and fleet.answers_to_pod(second, URL, 60) == everybody

    eventually(hears_everybody, lambda: str([brief(pod) for pod in fleet.pods()]), seconds=120)
    assert kubectl.run("get", "--raw", f"/api/v1/nodes/{second}/proxy/healthz") == b"ok"
