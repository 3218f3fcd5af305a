"""Pods with addresses of both families, or of IPv6 alone: on several nodes, by Services, under policies, by names."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoint import BUSYBOX
from tests.support.instance import Instance
from tests.support.machines import far_machine
from tests.support.ports import free_port
from tests.support.wait import eventually
from tests.system.test_nodes import GRACE, LABELS, PODS, Fleet, clean, inside, links, quick

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

Object = dict[str, Any]
SERVICES = "/api/v1/namespaces/default/services"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
FOUR, SIX = "10.124.0.0/16", "fd00:10:124::/112"


def subnets(*words: str) -> list[str]:
    return ["--kubernetes=true", GRACE, *(f"--kubernetes-service-subnet={word}" for word in words)]


@pytest.fixture(params=[(FOUR, SIX), (SIX, FOUR), (SIX,)], ids=["IPv4 first", "IPv6 first", "IPv6 alone"])
def words(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found: tuple[str, ...] = request.param
    return found


@pytest.fixture
def fleet(tmp_path: Path, words: tuple[str, ...]) -> Iterator[Fleet]:
    address = f"--kubernetes-address=127.0.0.1:{free_port()}"
    with clean(Instance(tmp_path / "i", *subnets(*words), "--nodes=2", address)) as engine:
        engine.import_image()
        yield Fleet(engine).with_nodes(2)


def versions(addresses: list[str]) -> list[int]:
    return [ipaddress.ip_network(one).version for one in addresses]


def pod_ips(pod: Object) -> list[str]:
    return [one["ip"] for one in pod["status"]["podIPs"]]


def url(address: str, port: int = 80) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def service(fleet: Fleet, name: str, **spec: Any) -> Object:
    ports = [{"port": 80, "targetPort": 8080}]
    found: Object = fleet.admin.ask(
        "POST", SERVICES, {"metadata": {"name": name}, "spec": {"selector": LABELS, "ports": ports, **spec}}
    )
    return found


def test_pods_have_an_address_of_each_family_and_are_reached_by_all(fleet: Fleet, words: tuple[str, ...]) -> None:
    families = versions(list(words))
    nodes = fleet.admin.ask("GET", "/api/v1/nodes")["items"]
    assert [versions(node["spec"]["podCIDRs"]) for node in nodes] == [families] * 2
    internal = [
        [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"] for node in nodes
    ]
    assert [versions(addresses) for addresses in internal] == [families] * 2
    fleet.deploy(2)
    pods = fleet.serving()
    assert {pod["spec"]["nodeName"] for pod in pods} == set(fleet.names())
    everybody = {pod["metadata"]["name"] for pod in pods}
    for pod in pods:
        assert versions(pod_ips(pod)) == families and pod["status"]["podIP"] == pod_ips(pod)[0]
        assert versions([one["ip"] for one in pod["status"]["hostIPs"]]) == families
    made = service(fleet, "both", type="NodePort", ipFamilyPolicy="PreferDualStack")
    assert versions(made["spec"]["clusterIPs"]) == families
    asked = [url(one) for one in made["spec"]["clusterIPs"]] + ["http://both.default.svc.cluster.local"]
    asked += [url(address, made["spec"]["ports"][0]["nodePort"]) for addresses in internal for address in addresses]
    direct = {url(address, 8080): pod["metadata"]["name"] for pod in pods for address in pod_ips(pod)}
    for node in fleet.names():
        known = lambda node=node: {"none"} not in answers(fleet, node, asked, 1, 5).values()  # noqa: E731
        eventually(known, "the service is known to the proxy", seconds=60)
        heard = answers(fleet, node, [*asked, *direct], 30)
        assert {one: heard[one] for one in asked} == {one: everybody for one in asked}
        assert {one: heard[one] for one in direct} == {one: {name} for one, name in direct.items()}
    names = say(fleet, fleet.names()[0], "nslookup both.default.svc.cluster.local")
    assert all(address in names for address in made["spec"]["clusterIPs"])
    forbid(fleet)
    nobody = {one: {"none"} for one in direct}
    for node in fleet.names():
        eventually(lambda node=node: answers(fleet, node, direct, 1, 2) == nobody, "the policy holds", seconds=60)


def answers(fleet: Fleet, node: str, urls: Iterable[str], times: int, patience: int = 20) -> dict[str, set[str]]:
    """What a pod on the node hears from each when it asks so often. `patience`: seconds for an answer."""
    ask = f"timeout {patience} wget -q -O -"
    script = "".join(
        f"i=0; while [ $i -lt {times} ]; do echo {one} $({ask} {one} || echo none); i=$((i+1)); done\n" for one in urls
    )
    found: dict[str, set[str]] = {one: set() for one in urls}
    for line in say(fleet, node, f"({script}) 2>/dev/null | sort -u").splitlines():
        one, _, name = line.partition(" ")
        found[one].add(name)
    return found


def say(fleet: Fleet, node: str, script: str) -> str:
    """What a pod on the node says that runs it."""
    command = ["/bin/sh", "-c", f"({script}) >/dev/termination-log 2>&1; true"]
    container = {"name": "c", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent", "command": command}
    spec = {"containers": [container], "restartPolicy": "Never", "nodeName": node}
    fleet.admin.ask("POST", PODS, {"metadata": {"name": "say"}, "spec": spec})

    def said() -> str | None:
        statuses = fleet.admin.ask("GET", f"{PODS}/say")["status"].get("containerStatuses") or [{}]
        ended: Object | None = statuses[0].get("state", {}).get("terminated")
        return ended.get("message", "") if ended else None

    found = eventually(said, "the pod has said it", seconds=60)
    fleet.admin.ask("DELETE", f"{PODS}/say", {"gracePeriodSeconds": 0})
    assert found is not None
    return found


def forbid(fleet: Fleet) -> None:
    spec = {"podSelector": {"matchLabels": LABELS}, "policyTypes": ["Ingress"]}
    fleet.admin.ask("POST", POLICIES, {"metadata": {"name": "nobody"}, "spec": spec})


def test_nodes_with_ipv6_alone_meet_in_a_tunnel(tmp_path: Path) -> None:
    before = set(links())
    with far_machine(6) as there:
        host, address, entrance, port = there.host, there.address, there.entrance, free_port()
        given = (f"--kubernetes-address=[::]:{port}", f"--kubernetes-node-address={host}")
        first, other = Instance(tmp_path / "i", *subnets(SIX), *given), Instance(tmp_path / "o")
        quick(other)
        with clean(first):
            fleet = Fleet(first)
            joining = first.corral("token", "create", f"--url=https://[{host}]:{port}", check=True).stdout.split()
            try:
                own = f"--kubernetes-node-address={address}"
                done = inside(entrance, other, *joining[1:], "--name=far", GRACE, own)
                assert done.returncode == 0, (done, other.log[-2000:])
                first.import_image()
                other.import_image()
                eventually(lambda: fleet.untainted("far"), "it may have pods", seconds=60)
                fleet.deploy(2)
                everybody = {pod["metadata"]["name"] for pod in fleet.serving()}
                for node in fleet.names():
                    assert fleet.answers_to_pod(node, "http://web", 20, after=everybody) == everybody
                assert len(set(links()) - before) == 1
            finally:
                assert inside(entrance, other, "down", "--all").returncode == 0
        assert other.leftovers() == []


def test_a_node_keeps_the_families_that_it_was_made_with(tmp_path: Path) -> None:
    """And says so: its pods' subnets are the node's for good."""
    with clean(Instance(tmp_path / "i", *subnets(FOUR))) as engine:
        engine.restart_daemon(f"--kubernetes-service-subnet={SIX}")
        fleet = Fleet(engine)
        eventually(lambda: "no IPv6 addresses, as it was made without them" in engine.log, "it says so", seconds=20)
        engine.import_image()
        fleet.deploy(1)
        assert [versions(pod_ips(pod)) for pod in fleet.serving()] == [[4]]
