from __future__ import annotations

from typing import Any

from corral.cluster.controllers.endpoints.subsets import limit, plan_endpoints, repack

Object = dict[str, Any]
A, B = {"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}
HTTP, ADMIN = {"name": "http", "port": 80}, {"name": "admin", "port": 81}


def test_ports_with_the_same_addresses_share_a_subset() -> None:
    assert repack([(A, True, (HTTP, ADMIN)), (B, True, (HTTP, ADMIN))]) == [
        {"addresses": [A, B], "ports": [ADMIN, HTTP]}
    ]


def test_a_port_that_one_pod_lacks_is_apart() -> None:
    assert repack([(A, True, (HTTP, ADMIN)), (B, True, (HTTP,))]) == [
        {"addresses": [A, B], "ports": [HTTP]},
        {"addresses": [A], "ports": [ADMIN]},
    ]


def test_without_ports_there_are_addresses_all_the_same() -> None:
    assert repack([(A, False, ())]) == [{"notReadyAddresses": [A]}]


def test_at_most_a_thousand_are_told_and_that_there_are_more() -> None:
    many = [({"ip": f"10.0.{n // 250}.{n % 250}"}, n % 2 == 0, (HTTP,)) for n in range(1100)]
    kept, over = limit(repack(many), 1000)
    assert over
    assert (len(kept[0]["addresses"]), len(kept[0]["notReadyAddresses"])) == (550, 450)


def test_the_annotation_comes_and_goes_with_the_surplus() -> None:
    service = {"metadata": {"name": "web", "namespace": "a"}, "spec": {"clusterIP": "10.96.0.1"}}
    note = {"endpoints.kubernetes.io/over-capacity": "truncated", "mine": "stays"}
    before = {"metadata": {"name": "web", "namespace": "a", "annotations": note}}
    found = plan_endpoints(service, [], before)
    assert found is not None
    assert found["metadata"]["annotations"] == {"mine": "stays"}
    assert plan_endpoints(service, [], found) is None
