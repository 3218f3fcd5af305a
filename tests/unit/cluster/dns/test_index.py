"""What each kind of name is answered with: the cases of the specification of DNS-based service discovery."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Any

import pytest

from corral.cluster.dns.index import Found, Index, resolve
from corral.cluster.dns.records import CNAME, NS, SOA, SRV, TXT, plan_names
from corral.networks.dns.wire import AAAA, ANY, NOERROR, NXDOMAIN, PTR, A, encode_name

DOMAIN = "cluster.local"
PORTS = [{"name": "http", "protocol": "TCP", "port": 80}, {"name": "dns", "protocol": "UDP", "port": 53}]


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": PORTS, **spec}}


def piece(*ends: dict[str, Any], family: str = "IPv4") -> dict[str, Any]:
    return {"addressType": family, "ports": PORTS, "endpoints": list(ends)}


def end(address: str, hostname: str = "", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "conditions": conditions, **({"hostname": hostname} if hostname else {})}


@pytest.fixture
def index() -> Index:
    made = Index(DOMAIN)
    made.namespaces.add("shop")
    put(made, service("web", clusterIPs=["10.96.0.7", "fd00:96::7"], clusterIP="10.96.0.7"))
    db = [
        piece(end("10.1.0.2", "db-0"), end("10.1.0.3", "db-1", ready=False)),
        piece(end("fd00::2", "db-0"), family="IPv6"),
    ]
    put(made, service("db", clusterIP="None"), *db)
    put(made, service("bare", clusterIP="None", publishNotReadyAddresses=True), piece(end("10.1.0.9", ready=False)))
    put(made, service("out", type="ExternalName", externalName="Example.org."))
    put(made, service("alias", type="ExternalName", externalName="web.shop.svc.cluster.local"))
    put(made, service("circle", type="ExternalName", externalName="circle.shop.svc.cluster.local"))
    return made


def put(index: Index, obj: dict[str, Any], *slices: dict[str, Any]) -> None:
    index.put(f"shop/{obj['metadata']['name']}", plan_names(obj, slices, DOMAIN))


def found(index: Index, name: str, kind: int) -> Found:
    answer = resolve(index, f"{name}.{DOMAIN}" if name else DOMAIN, kind)
    assert answer is not None
    return answer


def addresses(index: Index, name: str, kind: int = A) -> list[str]:
    answer = found(index, name, kind)
    assert answer.code == NOERROR
    return [str(ip_address(entry.data)) for _, entry in answer.answers if entry.type in (A, AAAA)]


def services(index: Index, name: str) -> set[tuple[int, str]]:
    """(port, whole name of the target) of the SRV records."""
    answer = found(index, name, SRV)
    by_data = {encode_name(f"{target}.{DOMAIN}"): target for target in {e.target for _, e in answer.answers}}
    return {(struct.unpack(">HHH", e.data[:6])[2], by_data[e.data[6:]]) for _, e in answer.answers}


def test_a_cluster_ip_has_addresses_of_both_families(index: Index) -> None:
    assert addresses(index, "web.shop.svc") == ["10.96.0.7"]
    assert addresses(index, "web.shop.svc", AAAA) == ["fd00:96::7"]


def test_a_headless_service_has_its_ready_endpoints(index: Index) -> None:
    assert addresses(index, "db.shop.svc") == ["10.1.0.2"]
    assert addresses(index, "db.shop.svc", AAAA) == ["fd00::2"]
    assert addresses(index, "bare.shop.svc") == ["10.1.0.9"]


def test_an_endpoint_has_a_name(index: Index) -> None:
    assert addresses(index, "db-0.db.shop.svc") == ["10.1.0.2"]
    assert addresses(index, "10-1-0-9.bare.shop.svc") == ["10.1.0.9"]
    assert found(index, "db-1.db.shop.svc", A).code == NXDOMAIN


def test_service_records(index: Index) -> None:
    assert services(index, "_http._tcp.web.shop.svc") == {(80, "web.shop.svc")}
    assert services(index, "_dns._udp.db.shop.svc") == {(53, "db-0.db.shop.svc")}
    assert services(index, "web.shop.svc") == {(80, "web.shop.svc"), (53, "web.shop.svc")}
    more = found(index, "_http._tcp.db.shop.svc", SRV).additional
    assert {(name, str(ip_address(entry.data))) for name, entry in more} == {
        ("db-0.db.shop.svc.cluster.local", "10.1.0.2"),
        ("db-0.db.shop.svc.cluster.local", "fd00::2"),
    }
    assert found(index, "_http._udp.web.shop.svc", SRV).code == NXDOMAIN


@pytest.mark.parametrize(
    "address, name",
    [
        ("7.0.96.10.in-addr.arpa", "web.shop.svc"),
        ("2.0.1.10.in-addr.arpa", "db-0.db.shop.svc"),
        (ip_address("fd00::2").reverse_pointer, "db-0.db.shop.svc"),
    ],
)
def test_addresses_have_names(index: Index, address: str, name: str) -> None:
    answer = resolve(index, address, PTR)
    assert answer is not None
    assert [entry.data for _, entry in answer.answers] == [encode_name(f"{name}.{DOMAIN}")]


def test_an_address_of_others_is_theirs(index: Index) -> None:
    assert resolve(index, "1.2.0.192.in-addr.arpa", PTR) is None


def test_names_that_stand_for_others(index: Index) -> None:
    answer = found(index, "out.shop.svc", A)
    assert [entry.type for _, entry in answer.answers] == [CNAME]
    assert answer.elsewhere == "example.org"
    assert found(index, "out.shop.svc", CNAME).elsewhere == ""
    assert addresses(index, "alias.shop.svc") == ["10.96.0.7"]
    assert [entry.type for _, entry in found(index, "circle.shop.svc", A).answers] == [CNAME]


def test_pods_have_names_by_address(index: Index) -> None:
    assert addresses(index, "10-1-0-77.shop.pod") == ["10.1.0.77"]
    assert addresses(index, "fd00--2.shop.pod", AAAA) == ["fd00::2"]
    assert addresses(index, "10-1-0-77.shop.pod", AAAA) == []
    assert found(index, "10-1-0-77.nowhere.pod", A).code == NXDOMAIN
    assert found(index, "web.shop.pod", A).code == NXDOMAIN


@pytest.mark.parametrize("name", ["", "svc", "pod", "shop.svc", "_tcp.web.shop.svc", "shop.pod", "web.shop.svc"])
def test_a_name_above_others_is_there_but_empty(index: Index, name: str) -> None:
    answer = found(index, name, PTR)
    assert (answer.code, answer.answers) == (NOERROR, [])


@pytest.mark.parametrize(
    "name", ["no", "web.svc", "web.other.svc", "no.shop.svc", "x.web.shop.svc", "example.org.shop.svc"]
)
def test_other_names_are_not_there(index: Index, name: str) -> None:
    assert found(index, name, A).code == NXDOMAIN


def test_the_domain_itself(index: Index) -> None:
    assert [entry.type for _, entry in found(index, "", ANY).answers] == [SOA, NS]
    assert found(index, "dns-version", TXT).answers[0][1].data == b"\x051.1.0"
    assert resolve(index, "notcluster.local", A) is None


def test_what_is_gone_leaves_no_name(index: Index) -> None:
    for name in ("web", "db", "bare", "out", "alias", "circle"):
        before = index.version
        index.put(f"shop/{name}", None)
        assert index.version != before
    for name in ("web.shop.svc", "shop.svc", "_tcp.web.shop.svc", "db-0.db.shop.svc"):
        assert found(index, name, A).code == NXDOMAIN
    assert found(index, "svc", A).code == NOERROR
    assert resolve(index, "2.0.1.10.in-addr.arpa", PTR) is None


def test_several_take_turns(index: Index) -> None:
    put(index, service("db", clusterIP="None"), piece(*(end(f"10.1.0.{n}") for n in range(2, 5))))
    seen = [resolve(index, f"db.shop.svc.{DOMAIN}", A, turn) for turn in range(3)]
    assert {answer.answers[0][1].data[-1] for answer in seen if answer} == {2, 3, 4}
