"""kubectl and a group that an extension API server answers for: found, used, broken, and gone with its namespace."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.kubernetes.clients import KUBECTL
from tests.compat.kubernetes.conftest import Place
from tests.support.extension_server import GROUP, PREFIX, VERSION, ExtensionServer
from tests.support.wait import eventually

pytestmark = pytest.mark.peers
NAME = f"{VERSION}.{GROUP}"


class Kubectl:
    def __init__(self, place: Place) -> None:
        self.place = place

    def __call__(self, *words: str, input: Any = None, code: int = 0) -> str:
        """What it prints on both of its outputs."""
        given = json.dumps(input) if input is not None else None
        done = subprocess.run(["kubectl", *words], env=self.place.env, input=given, capture_output=True, text=True)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def apply(self, kind: str, name: str, api: str = "v1", **rest: Any) -> None:
        metadata = {"name": name, **rest.pop("metadata", {})}
        self("apply", "-f", "-", input={"apiVersion": api, "kind": kind, "metadata": metadata, **rest})

    def condition(self, reason: str) -> None:
        self("wait", "apiservice", NAME, f"--for=jsonpath={{.status.conditions[0].reason}}={reason}", "--timeout=30s")


@pytest.fixture
def kubectl(place: Callable[[str], Place]) -> Kubectl:
    return Kubectl(place(str(KUBECTL())))


@pytest.fixture
def server(kubectl: Kubectl, tmp_path: Path) -> Iterator[ExtensionServer]:
    """It trusts whom a real one trusts: what the ConfigMap of the cluster says."""
    where = ("-n", "kube-system", "configmap", "extension-apiserver-authentication")
    trust = json.loads(kubectl("get", *where, "-o", "json"))["data"]
    assert json.loads(trust["requestheader-allowed-names"]) == ["front-proxy-client"]
    address = kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
    names = (f"wardle.{kubectl.place.namespace}.svc",)
    with ExtensionServer(tmp_path, trust["requestheader-client-ca-file"], names, "0.0.0.0") as made:
        made.address = address
        yield made
        kubectl("delete", "apiservice", NAME, "--ignore-not-found")


def register(kubectl: Kubectl, server: ExtensionServer) -> None:
    """Step by step, as somebody may do it, who looks each time what is missing."""
    service = {"name": "wardle", "namespace": kubectl.place.namespace, "port": 443}
    spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 200}
    kubectl.apply("APIService", NAME, "apiregistration.k8s.io/v1", spec={**spec, "service": service, "caBundle":
        server.bundle})  # fmt: skip
    kubectl.condition("ServiceNotFound")
    ports = [{"name": "web", "port": 444}]
    kubectl.apply("Service", "wardle", spec={"ports": ports})
    kubectl.condition("ServicePortError")
    kubectl.apply("Service", "wardle", spec={"ports": [{"name": "web", "port": 443}]})
    kubectl.condition("EndpointsNotFound")
    labels = {"metadata": {"labels": {"kubernetes.io/service-name": "wardle"}}}
    piece = {"addressType": "IPv4", "ports": [{"name": "web", "port": server.port}], **labels}
    kubectl.apply("EndpointSlice", "wardle", "discovery.k8s.io/v1", endpoints=[], **piece)
    kubectl.condition("MissingEndpoints")
    assert "the server is currently unable to handle the request" in kubectl("get", "--raw", PREFIX, code=1)
    kubectl.apply(
        "EndpointSlice", "wardle", "discovery.k8s.io/v1", endpoints=[{"addresses": [server.address]}], **piece
    )
    kubectl("wait", "apiservice", NAME, "--for=condition=Available", "--timeout=30s")
    kubectl.condition("Passed")


def test_the_life_of_a_group_from_elsewhere(kubectl: Kubectl, server: ExtensionServer) -> None:
    register(kubectl, server)
    assert f"flu          {GROUP}/{VERSION}" in kubectl("api-resources", "--api-group", GROUP)
    assert "A flunder." in kubectl("explain", "flunders")
    kubectl(
        "create", "-f", "-", input={"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": "a"}}
    )
    assert kubectl("get", "flu", "-o", "name").startswith(f"flunder.{GROUP}/a")
    assert "AlreadyExists" in kubectl(
        "create",
        "-f",
        "-",
        input={"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": "a"}},
        code=1,
    )
    kubectl("delete", "flunders", "a", "--wait=true", "--timeout=20s")  # which watches until it is gone
    assert "NotFound" in kubectl("get", "flunders", "a", code=1)
    server.healthy = False
    kubectl("label", "service", "wardle", "look=again")
    kubectl.condition("FailedDiscoveryCheck")
    found = kubectl("api-resources")
    assert "deployments" in found and "flunders" not in found, "this kubectl leaves out what is stale"
    assert "No resources found" in kubectl("get", "deployments"), "a broken group leaves the others alone"
    server.healthy = True
    kubectl("label", "service", "wardle", "look=once-more", "--overwrite")
    kubectl.condition("Passed")


def test_a_namespace_goes_with_what_an_extension_server_has_in_it(kubectl: Kubectl, server: ExtensionServer) -> None:
    register(kubectl, server)
    kubectl("create", "namespace", "meadow")
    flunder = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": "b", "namespace": "meadow"}}
    kubectl("create", "-f", "-", input=flunder)
    server.healthy = False
    kubectl("label", "service", "wardle", "look=again")
    kubectl.condition("FailedDiscoveryCheck")
    kubectl("delete", "namespace", "meadow", "--wait=false")
    kubectl("wait", "namespace", "meadow", "--for=condition=NamespaceDeletionDiscoveryFailure", "--timeout=30s")
    assert ("meadow", "b") in server.flunders.found
    server.healthy = True
    kubectl("label", "service", "wardle", "look=once-more", "--overwrite")
    kubectl("wait", "namespace", "meadow", "--for=delete", "--timeout=30s")
    eventually(lambda: ("meadow", "b") not in server.flunders.found, "the flunder is gone")
