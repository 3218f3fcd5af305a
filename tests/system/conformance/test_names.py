"""sig-network: names in pods, by /etc/hosts and by the cluster's name server, over UDP and TCP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.conformance import AGENT, Space, container
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def named(shared: Space) -> Iterator[Space]:
    """`agent` and `shell` ask; `querier` has a name in the headless Service `heads`, as `named` has an address."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    labels = {"app": "dns"}
    shared.create("services", "heads", {"spec": {"clusterIP": "None", "selector": labels, "ports": ports}})
    shared.create("services", "regular", {"spec": {"selector": labels, "ports": ports}})
    shared.server("querier", 8080, labels=labels, hostname="querier-1", subdomain="heads")
    shared.run("shell", container(name="main"))
    for name in ("querier", "shell"):
        shared.ready(name)
    yield shared


def lookup(space: Space, kind: str, name: str) -> str:
    return space.shell("shell", f"nslookup -type={kind} {name} 2>&1 | tail -n +3")


def resolved(space: Space, how: str, *names: str) -> list[str]:
    return space.ask("querier", *AGENT, "names", how, *names).splitlines()


@pytest.mark.parametrize("how", ["udp", "tcp"])
def test_services_by_every_part_of_their_name(named: Space, how: str) -> None:
    address, pod = (named.get(*what) for what in (("services", "regular"), ("pods", "querier")))
    ends = ("", f".{named.name}", f".{named.name}.svc", f".{named.name}.svc.cluster.local")
    wanted = [pod["status"]["podIP"]] * 4 + [address["spec"]["clusterIP"]] * 4
    names = [f"{name}{end}" for name in ("heads", "regular") for end in ends]
    eventually(lambda: resolved(named, how, *names) == wanted, lambda: str(resolved(named, how, *names)), seconds=60)
    master = ["kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    assert len(set(resolved(named, how, *master))) == 1 and resolved(named, how, "none-such") == ["gaierror"]


def test_ports_and_addresses(named: Space) -> None:
    full = f"{named.name}.svc.cluster.local"
    named.asked(
        "shell", f"nslookup -type=srv _http._tcp.heads.{full}", lambda said: f"8080 querier-1.heads.{full}" in said
    )
    assert f" 80 regular.{full}" in lookup(named, "srv", f"_http._tcp.regular.{full}")
    address = named.get("services", "regular")["spec"]["clusterIP"]
    assert f"regular.{full}" in named.shell("shell", f"nslookup {address}")


def test_a_pod_has_the_name_that_it_asks_for(named: Space) -> None:
    full = f"querier-1.heads.{named.name}.svc.cluster.local"
    address = named.get("pods", "querier")["status"]["podIP"]
    assert resolved(named, "udp", "querier-1", full) == [address, address]  # by /etc/hosts
    named.asked("shell", f"nslookup {full}", lambda said: f"Address: {address}" in said)  # by the server
    assert f"Address: {address}" in named.shell("shell", f"nslookup querier-1.heads.{named.name}.svc.cluster.local.")


def test_names_that_stand_for_others(named: Space) -> None:
    full = f"outer.{named.name}.svc.cluster.local"
    named.create("services", "outer", {"spec": {"type": "ExternalName", "externalName": "foo.example.com"}})
    ask = f"nslookup -type=cname {full}"
    named.asked("shell", ask, lambda said: f"{full}\tcanonical name = foo.example.com" in said)
    named.patch("services", "outer", {"spec": {"externalName": "bar.example.com"}})
    named.asked("shell", ask, lambda said: f"{full}\tcanonical name = bar.example.com" in said)
    found = named.get("services", "outer")
    found["spec"] |= {"type": "ClusterIP", "ports": [{"port": 80}]}
    address = named.admin.ok("PUT", named.path("services", "outer"), found)["spec"]["clusterIP"]
    named.asked("shell", f"nslookup -type=a {full}", lambda said: f"Address: {address}" in said)


def test_a_pod_brings_its_own_servers(space: Space) -> None:
    config = {
        "nameservers": ["1.1.1.1"],
        "searches": ["resolv.conf.local"],
        "options": [{"name": "ndots", "value": "2"}],
    }
    space.run("own", container("cat /etc/resolv.conf"), dnsPolicy="None", dnsConfig=config)
    assert space.said("own") == "search resolv.conf.local\nnameserver 1.1.1.1\noptions ndots:2\n"
