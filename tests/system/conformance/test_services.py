"""sig-network: what a Service leads to, seen from a pod, from the node, and after each change of its spec."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from tests.support.conformance import Cluster, Object, Space
from tests.support.ports import free_port
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

SLICES = "discovery.k8s.io/v1"
SERVERS = ("s1", "s2", "s3")
LABELS = {"app": "web"}


@pytest.fixture(scope="module")
def web(shared: Space) -> Iterator[Space]:
    """Three servers on port 8080 (the first on 8081, too), and a client on the pods' network and one on the node's."""
    for name in SERVERS:
        shared.server(name, 8080, *([8081] if name == "s1" else []), labels=LABELS)
    shared.server("client", 9000)
    shared.server("host", free_port(), hostNetwork=True)
    for name in (*SERVERS, "client", "host"):
        shared.ready(name)
    yield shared


def service(space: Space, name: str, *ports: Object, **spec: Any) -> Object:
    given = {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}, *ports][-max(1, len(ports)) :], **spec}
    return space.create("services", name, {"spec": given})


def until(space: Space, who: str, host: str, port: int, wanted: set[str], kind: str = "http", times: int = 12) -> None:
    """Returns once `who` is answered by just these."""
    ask = lambda: set(space.answers(who, kind, host, port, times))  # noqa: E731
    eventually(lambda: ask() == wanted, lambda: f"{who} of {host}:{port}: {ask()}", seconds=60, step=0.2)


def test_pods_reach_each_other_and_the_node_reaches_them(web: Space) -> None:
    for name in SERVERS:
        address = web.get("pods", name)["status"]["podIP"]
        for who, kind in product(("client", "host"), ("http", "udp")):
            until(web, who, address, 8080, {name}, kind, times=1)
    client = web.get("pods", "client")["status"]["podIP"]
    assert web.answers("client", "http", address, 8080, 1, "/client") == [client]


def test_the_api_server_is_a_service(cluster: Cluster, web: Space) -> None:
    every = cluster.admin.get("/api/v1/services")["items"]
    found = next(one for one in every if one["metadata"]["name"] == "kubernetes")
    assert found["metadata"]["namespace"] == "default" and found["spec"]["ports"][0]["port"] == 443
    place = "/api/v1/namespaces/default/endpoints/kubernetes"
    addresses = [one["ip"] for subset in cluster.admin.get(place)["subsets"] for one in subset["addresses"]]
    slices = cluster.admin.get(
        f"/apis/{SLICES}/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=kubernetes"
    )["items"]
    told = [address for one in slices for endpoint in one["endpoints"] for address in endpoint["addresses"]]
    assert addresses and sorted(told) == sorted(addresses)
    told = " ".join(web.answers("client", "http", "kubernetes.default", 443))
    assert "Error" not in told.replace("ConnectionResetError", "")  # it hears us; TLS is what it waits for


def test_a_port_of_the_node(cluster: Cluster, web: Space) -> None:
    made = service(web, "ported", type="NodePort")
    port = made["spec"]["ports"][0]["nodePort"]
    until(web, "client", "ported", 80, set(SERVERS))
    until(web, "client", made["spec"]["clusterIP"], 80, set(SERVERS))
    until(web, "client", cluster.address, port, set(SERVERS))
    until(web, "host", cluster.address, port, set(SERVERS))


def test_affinity_comes_and_goes(cluster: Cluster, web: Space) -> None:
    made = service(web, "sticky", type="NodePort", sessionAffinity="ClientIP")
    places = [("client", "sticky", 80), ("client", cluster.address, made["spec"]["ports"][0]["nodePort"])]
    for place in places:
        eventually(lambda place=place: len(set(web.answers(*_of(place), 12))) == 1, "one serves", seconds=60)
    web.patch("services", "sticky", {"spec": {"sessionAffinity": "None"}})
    for place in places:
        until(web, *place, set(SERVERS))
    web.patch("services", "sticky", {"spec": {"sessionAffinity": "ClientIP"}})
    for place in places:
        eventually(lambda place=place: len(set(web.answers(*_of(place), 12))) == 1, "one serves again", seconds=60)


def _of(place: tuple[str, str, int]) -> tuple[str, str, str, int]:
    return place[0], "http", place[1], place[2]


def test_types_change(cluster: Cluster, web: Space) -> None:
    """From a name to an address, to ports of the nodes, and back to a name; what it had is given back."""
    web.create("services", "turns", {"spec": {"type": "ExternalName", "externalName": "foo.example.com"}})
    assert "clusterIP" not in web.get("services", "turns")["spec"]
    ports = [{"port": 80, "targetPort": 8080}]
    to_address = {"type": "ClusterIP", "externalName": None, "ports": ports, "selector": LABELS}
    made = web.patch("services", "turns", {"spec": to_address})["spec"]
    until(web, "client", "turns", 80, set(SERVERS))
    until(web, "client", made["clusterIP"], 80, set(SERVERS))
    made = web.patch("services", "turns", {"spec": {"type": "NodePort"}})["spec"]
    number = made["ports"][0]["nodePort"]
    until(web, "client", cluster.address, number, set(SERVERS))
    # As a client does it that changes two fields of what it has read: what goes with the old type goes.
    found = web.get("services", "turns")
    found["spec"] |= {"type": "ExternalName", "externalName": "foo.example.com"}
    found = web.admin.ok("PUT", web.path("services", "turns"), found)
    assert not found["spec"].get("clusterIP") and "nodePort" not in found["spec"]["ports"][0]
    until(web, "client", cluster.address, number, {"ConnectionRefusedError"}, times=1)
    other = service(web, "gets-it", {"port": 80, "targetPort": 8080, "nodePort": number}, type="NodePort")
    assert other["spec"]["ports"][0]["nodePort"] == number


def test_one_port_in_two_protocols(web: Space) -> None:
    tcp = {"name": "tcp", "port": 80, "targetPort": 8080, "protocol": "TCP"}
    udp = {"name": "udp", "port": 80, "targetPort": 8080, "protocol": "UDP"}
    made = service(web, "both", tcp, udp)["spec"]
    for kind in ("http", "udp"):
        until(web, "client", made["clusterIP"], 80, set(SERVERS), kind)
    found = web.get("services", "both")
    web.admin.ok("PUT", web.path("services", "both"), {**found, "spec": {**found["spec"], "ports": [tcp]}})
    until(web, "client", made["clusterIP"], 80, {"ConnectionRefusedError"}, "udp", times=1)
    until(web, "client", made["clusterIP"], 80, set(SERVERS))
    found = web.get("services", "both")
    web.admin.ok("PUT", web.path("services", "both"), {**found, "spec": {**found["spec"], "ports": [udp]}})
    until(web, "client", made["clusterIP"], 80, {"ConnectionRefusedError"}, times=1)
    until(web, "client", made["clusterIP"], 80, set(SERVERS), "udp")


def endpoints(space: Space, name: str) -> dict[str, list[int]]:
    """Which ports of which pods a Service has, by its Endpoints; the slices say the same."""
    answer = space.admin.ask("GET", space.path("endpoints", name))
    subsets = (answer.json.get("subsets") or []) if answer.status == 200 else []
    found: dict[str, list[int]] = {}
    for subset in subsets:
        for address in subset.get("addresses") or ():
            found.setdefault(address["targetRef"]["name"], []).extend(port["port"] for port in subset["ports"])
    slices: dict[str, list[int]] = {}
    for one in space.items("endpointslices", f"kubernetes.io/service-name={name}", SLICES):
        for endpoint in one.get("endpoints") or ():
            if endpoint["conditions"]["ready"]:
                ports = [port["port"] for port in one.get("ports") or ()]
                slices.setdefault(endpoint["targetRef"]["name"], []).extend(ports)
    told = {name: sorted(ports) for name, ports in found.items()}
    return told if told == {name: sorted(ports) for name, ports in slices.items()} else {"differ": []}


def test_endpoints_follow_the_pods(space: Space) -> None:
    """Two ports by their names, which only one of the pods has each; and one that both have."""
    named = [{"name": name, "port": port, "targetPort": name} for name, port in (("p1", 80), ("p2", 81))]
    space.create("services", "multi", {"spec": {"selector": {"app": "m"}, "ports": named}})
    space.create("services", "basic", {"spec": {"selector": {"app": "m"}, "ports": [{"port": 80, "targetPort": 7000}]}})
    eventually(lambda: space.items("endpointslices", "kubernetes.io/service-name=multi", SLICES), "a slice", seconds=60)

    def add(name: str, number: int) -> None:
        ports = [{"name": name, "containerPort": number}]
        space.server(f"pod-{name}", 7000, number, labels={"app": "m"}, main={"ports": ports})

    def shows(service: str, wanted: dict[str, list[int]]) -> None:
        eventually(lambda: endpoints(space, service) == wanted, lambda: str(endpoints(space, service)), seconds=60)

    shows("multi", {})
    add("p1", 7001)
    shows("multi", {"pod-p1": [7001]})
    add("p2", 7002)
    shows("multi", {"pod-p1": [7001], "pod-p2": [7002]})
    shows("basic", {"pod-p1": [7000], "pod-p2": [7000]})
    space.delete("pods", "pod-p1")
    shows("multi", {"pod-p2": [7002]})
    shows("basic", {"pod-p2": [7000]})
    space.delete("pods", "pod-p2")
    shows("multi", {})
    shows("basic", {})
    space.delete("services", "multi")
    eventually(
        lambda: not space.items("endpointslices", "kubernetes.io/service-name=multi", SLICES), "they go", seconds=60
    )


def test_endpoints_of_ones_own_are_mirrored(web: Space) -> None:
    web.create("services", "own", {"spec": {"ports": [{"port": 80}]}})
    address = web.get("pods", "s1")["status"]["podIP"]
    subset = {"addresses": [{"ip": address}], "ports": [{"port": 8080}]}
    web.create("endpoints", "own", {"subsets": [subset]})
    until(web, "client", "own", 80, {"s1"})
    web.patch("endpoints", "own", {"subsets": [{**subset, "ports": [{"port": 8081}]}]})
    mirrored = lambda: web.items("endpointslices", "kubernetes.io/service-name=own", SLICES)  # noqa: E731
    eventually(lambda: [one["ports"][0]["port"] for one in mirrored()] == [8081], "the change", seconds=60)
    assert mirrored()[0]["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == (
        "endpointslicemirroring-controller.k8s.io"
    )
    until(web, "client", "own", 80, {"s1"})
    web.delete("endpoints", "own")
    eventually(lambda: not mirrored(), "it goes", seconds=60)


def test_endpoints_without_a_service_stay(web: Space) -> None:
    web.create("endpoints", "alone", {"subsets": [{"addresses": [{"ip": "10.0.0.24"}], "ports": [{"port": 80}]}]})
    made = service(web, "after")
    until(web, "client", made["spec"]["clusterIP"], 80, set(SERVERS))
    assert web.get("endpoints", "alone")["subsets"]


def test_slices_of_ones_own_are_served(web: Space) -> None:
    """A Service without a selector, with a slice by hand that leads to two pods at ports of their own."""
    web.create("services", "sliced", {"spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}})
    for port, number, name in (("a", 8080, "s2"), ("b", 8081, "s1")):
        piece = {
            "addressType": "IPv4",
            "ports": [{"name": port, "port": number, "protocol": "TCP"}],
            "endpoints": [{"addresses": [web.get("pods", name)["status"]["podIP"]]}],
        }
        labels = {"kubernetes.io/service-name": "sliced", "endpointslice.kubernetes.io/managed-by": "us"}
        web.create("endpointslices", f"sliced-{port}", piece, SLICES, labels=labels)
    until(web, "client", "sliced", 80, {"s2"})
    until(web, "client", "sliced", 81, {"s1"})


def test_many_services_are_served_soon(web: Space) -> None:
    """As many as the list has, all at once: each has its endpoints in the end."""
    names = [f"many-{number}" for number in range(50)]
    for name in names:
        service(web, name)

    def missing() -> list[str]:
        found = {one["metadata"]["name"] for one in web.items("endpoints") if one.get("subsets")}
        return [name for name in names if name not in found]

    eventually(lambda: not missing(), lambda: str(missing()), seconds=60, step=0.2)
    until(web, "client", names[-1], 80, set(SERVERS))
