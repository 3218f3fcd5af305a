"""Which endpoints are behind which address: the table of cases of upstream's proxy."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.proxy.services import (
    Front,
    balancer_ips,
    health_port,
    is_served,
    plan_fronts,
    plan_local,
    plan_sources,
)

READY: dict[str, bool] = {}
LEAVING = {"ready": False, "serving": True, "terminating": True}
DEAD = {"ready": False, "serving": False, "terminating": True}
WAITING = {"ready": False, "serving": False}


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "protocol": "TCP", "port": 80, "nodePort": 30080}]
    base = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": ports, "type": "NodePort"}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {**base, **spec}}


def piece(*ends: tuple[str, str, dict[str, bool]], name: str = "http", family: str = "IPv4") -> dict[str, Any]:
    return {
        "addressType": family,
        "ports": [{"name": name, "protocol": "TCP", "port": 8080}],
        "endpoints": [{"addresses": [a], "nodeName": node, "conditions": said} for a, node, said in ends],
    }


def targets(found: list[Front], address: str) -> list[str]:
    [front] = [one for one in found if one.address == address]
    return [target.address for target in front.targets]


HERE, THERE = "n1", "n2"


@pytest.mark.parametrize(
    "ends, cluster, near",
    [
        ([("10.1.0.2", HERE, READY), ("10.1.0.3", THERE, READY)], ["10.1.0.2", "10.1.0.3"], ["10.1.0.2"]),
        ([("10.1.0.2", HERE, LEAVING), ("10.1.0.3", THERE, READY)], ["10.1.0.3"], ["10.1.0.2"]),
        ([("10.1.0.2", HERE, LEAVING), ("10.1.0.3", HERE, READY)], ["10.1.0.3"], ["10.1.0.3"]),
        ([("10.1.0.2", HERE, LEAVING), ("10.1.0.3", THERE, LEAVING)], ["10.1.0.2", "10.1.0.3"], ["10.1.0.2"]),
        ([("10.1.0.2", HERE, DEAD), ("10.1.0.3", THERE, WAITING)], [], []),
    ],
)
def test_who_serves(ends: list[tuple[str, str, dict[str, bool]]], cluster: list[str], near: list[str]) -> None:
    found = plan_fronts(service(externalTrafficPolicy="Local"), [piece(*ends)], HERE)
    assert targets(found, "10.96.0.7") == targets(found, "") == cluster
    [door] = [front for front in found if not front.address]
    assert door.near is not None and [target.address for target in door.near] == near
    inner = plan_fronts(service(internalTrafficPolicy="Local"), [piece(*ends)], HERE)
    assert targets(inner, "10.96.0.7") == near and targets(inner, "") == cluster


def hinted(*ends: tuple[str, str, dict[str, Any]]) -> list[dict[str, Any]]:
    made = piece(*((address, node, READY) for address, node, _ in ends))
    for end, (_, _, hints) in zip(made["endpoints"], ends, strict=True):
        end["hints"] = hints
    return [made]


ZONE_A, ZONE_B = ({"forZones": [{"name": name}]} for name in "ab")


@pytest.mark.parametrize(
    ("zone", "expected"), [("a", ["10.1.0.2"]), ("b", ["10.1.0.3"]), ("c", ["10.1.0.2", "10.1.0.3"]), ("", None)]
)
def test_who_is_near_by_zone(zone: str, expected: list[str] | None) -> None:
    slices = hinted(("10.1.0.2", HERE, ZONE_A), ("10.1.0.3", THERE, ZONE_B))
    assert targets(plan_fronts(service(), slices, HERE, zone), "10.96.0.7") == (expected or ["10.1.0.2", "10.1.0.3"])


def test_who_is_near_by_node_and_then_by_zone() -> None:
    nodes = [{**ZONE_A, "forNodes": [{"name": node}]} for node in (HERE, THERE)]
    slices = hinted(("10.1.0.2", HERE, nodes[0]), ("10.1.0.3", THERE, nodes[1]), ("10.1.0.4", THERE, nodes[1]))
    assert targets(plan_fronts(service(), slices, HERE, "a"), "") == ["10.1.0.2"]
    assert targets(plan_fronts(service(), slices, THERE, "a"), "") == ["10.1.0.3", "10.1.0.4"]
    assert targets(plan_fronts(service(), slices, "n3", "a"), "") == ["10.1.0.2", "10.1.0.3", "10.1.0.4"]


def test_hints_count_only_where_all_have_them_and_not_for_the_local_policy() -> None:
    slices = hinted(("10.1.0.2", HERE, {}), ("10.1.0.3", THERE, ZONE_A))
    assert targets(plan_fronts(service(), slices, HERE, "a"), "") == ["10.1.0.2", "10.1.0.3"]
    slices = hinted(("10.1.0.2", HERE, ZONE_B), ("10.1.0.3", THERE, ZONE_A))
    assert targets(plan_fronts(service(internalTrafficPolicy="Local"), slices, HERE, "a"), "10.96.0.7") == ["10.1.0.2"]


def test_silence_where_endpoints_are_elsewhere_and_refusal_where_there_are_none() -> None:
    far = [piece(("10.1.0.3", THERE, READY))]
    assert not plan_fronts(service(internalTrafficPolicy="Local"), far, HERE)[0].refused
    assert plan_fronts(service(internalTrafficPolicy="Local"), [], HERE)[0].refused


def test_ports_are_told_apart_by_name_and_an_endpoint_counts_once() -> None:
    one = ("10.1.0.2", HERE, READY)
    assert targets(plan_fronts(service(), [piece(one, name="other")], HERE), "") == []
    assert targets(plan_fronts(service(), [piece(one), piece(one)], HERE), "") == ["10.1.0.2"]
    again = ("10.1.0.2", HERE, LEAVING)
    assert targets(plan_fronts(service(), [piece(again), piece(one)], HERE), "") == ["10.1.0.2"]


def test_each_family_has_its_own() -> None:
    both = service(clusterIPs=["10.96.0.7", "fd00:96::7"], externalIPs=["192.0.2.1", "2001:db8::1"])
    found = plan_fronts(both, [piece(("fd00::2", HERE, READY), family="IPv6")], HERE)
    assert targets(found, "10.96.0.7") == targets(found, "192.0.2.1") == []
    assert targets(found, "fd00:96::7") == targets(found, "2001:db8::1") == ["fd00::2"]
    assert [front.version for front in found if not front.address] == [4, 6]


@pytest.mark.parametrize(
    "labels, spec",
    [
        ({}, {"clusterIP": "None"}),
        ({}, {"clusterIP": ""}),
        ({}, {"type": "ExternalName"}),
        ({"service.kubernetes.io/service-proxy-name": "other"}, {}),
        ({"service.kubernetes.io/headless": ""}, {}),
    ],
)
def test_services_that_are_none_of_the_proxys(labels: dict[str, str], spec: dict[str, Any]) -> None:
    obj = service(**spec)
    obj["metadata"]["labels"] = labels
    assert not is_served(obj) and plan_fronts(obj, [piece(("10.1.0.2", HERE, READY))], HERE) == []


def test_addresses_of_load_balancers() -> None:
    obj = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    ingress = [{"ip": "192.0.2.1"}, {"ip": "192.0.2.2", "ipMode": "Proxy"}, {"hostname": "x"}]
    obj["status"] = {"loadBalancer": {"ingress": ingress}}
    assert balancer_ips(obj) == ["192.0.2.1"]
    assert health_port(obj) == 32000
    obj["spec"]["externalTrafficPolicy"] = "Cluster"
    assert health_port(obj) == 0


def test_a_cluster_ip_stays_one_though_a_load_balancer_names_it() -> None:
    obj = service(type="LoadBalancer", loadBalancerSourceRanges=["192.0.2.0/24"])
    plain = plan_fronts(obj, [], HERE)
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": obj["spec"]["clusterIP"], "ipMode": "VIP"}]}}
    assert plan_fronts(obj, [], HERE) == plain


def test_only_a_load_balancers_addresses_have_ranges() -> None:
    obj = service(type="LoadBalancer", loadBalancerSourceRanges=["192.0.2.0/24", " 2001:db8::/32"])
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    found = {front.address: front.sources for front in plan_fronts(obj, [], HERE)}
    assert found == {"10.96.0.7": (), "192.0.2.1": ("192.0.2.0/24",), "": ()}
    assert plan_sources(obj, 6) == ("2001:db8::/32",)


def test_local_endpoints_are_the_ready_ones_of_this_node() -> None:
    ends = [("10.1.0.2", HERE, READY), ("10.1.0.3", THERE, READY), ("10.1.0.4", HERE, LEAVING)]
    assert plan_local([piece(*ends), piece(*ends, name="other")], HERE) == ["10.1.0.2"]
