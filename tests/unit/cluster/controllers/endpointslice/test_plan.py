from __future__ import annotations

from typing import Any

from corral.cluster.controllers.endpointslice.plan import SlicePlan, plan_slices

Object = dict[str, Any]


def service(**spec: Any) -> Object:
    wanted = {"clusterIP": "10.96.0.1", "ipFamilies": ["IPv4"], "ports": [{"port": 80}], **spec}
    return {"metadata": {"name": "web", "namespace": "a", "uid": "s", "labels": {"team": "x"}}, "spec": wanted}


def pod(name: str, *addresses: str, ready: bool = True, metadata: Object | None = None, **spec: Any) -> Object:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"podIPs": [{"ip": one} for one in addresses], "phase": "Running", "conditions": conditions}
    where = {"nodeName": "n1", "containers": [], **spec}
    return {
        "metadata": {"name": name, "namespace": "a", "uid": name, **(metadata or {})},
        "spec": where,
        "status": status,
    }


def plan(
    one: Object, *pods: Object, zones: dict[str, str] | None = None, existing: tuple[Object, ...] = ()
) -> SlicePlan:
    return plan_slices(one, pods, {"n1": ""} if zones is None else zones, existing)


def held(found: SlicePlan) -> list[tuple[str, list[str]]]:
    return [(one["addressType"], [e["addresses"][0] for e in one["endpoints"]]) for one in found.create]


def test_each_family_has_its_own_slices() -> None:
    found = plan(service(ipFamilies=["IPv4", "IPv6"]), pod("p", "10.0.0.1", "fd00::1"), pod("q", "10.0.0.2"))
    assert held(found) == [("IPv4", ["10.0.0.1", "10.0.0.2"]), ("IPv6", ["fd00::1"])]


def test_pods_with_the_same_port_by_another_number_are_apart() -> None:
    def serving(number: int) -> list[Object]:
        return [{"ports": [{"name": "http", "containerPort": number}]}]

    named = service(ports=[{"name": "web", "port": 80, "targetPort": "http", "appProtocol": "kubernetes.io/h2c"}])
    old, new = pod("p", "10.0.0.1", containers=serving(8080)), pod("q", "10.0.0.2", containers=serving(9090))
    without = pod("r", "10.0.0.3")
    found = plan(named, old, new, without)
    ports = {tuple(one["port"] for one in part["ports"]): part["endpoints"][0]["addresses"] for part in found.create}
    assert ports == {(8080,): ["10.0.0.1"], (9090,): ["10.0.0.2"], (): ["10.0.0.3"]}
    assert found.create[0]["ports"][0] == {
        "name": "web",
        "port": 8080,
        "protocol": "TCP",
        "appProtocol": "kubernetes.io/h2c",
    }


def test_a_sidecars_port_counts_and_an_init_containers_does_not() -> None:
    ports = [{"name": "http", "containerPort": 8080}]
    named = service(ports=[{"port": 80, "targetPort": "http"}])
    sidecar = pod("p", "10.0.0.1", initContainers=[{"ports": ports, "restartPolicy": "Always"}])
    setup = pod("q", "10.0.0.2", initContainers=[{"ports": ports}])
    assert sorted(len(one["ports"]) for one in plan(named, sidecar, setup).create) == [0, 1]


def test_who_asks_for_it_is_told_of_pods_that_are_not_ready() -> None:
    waiting = pod("p", "10.0.0.1", ready=False)
    states = [
        plan(service(publishNotReadyAddresses=publish), waiting).create[0]["endpoints"][0]["conditions"]
        for publish in (False, True)
    ]
    assert [(one["ready"], one["serving"]) for one in states] == [(False, False), (True, False)]


def test_pods_that_have_ended_or_have_no_address_are_no_endpoints() -> None:
    ended = {**pod("p", "10.0.0.1"), "status": {"phase": "Failed", "podIPs": [{"ip": "10.0.0.1"}]}}
    found = plan(service(), ended, pod("q"))
    assert held(found) == [("IPv4", [])]


def test_the_pods_of_a_headless_service_have_names() -> None:
    stateful = pod("db-0", "10.0.0.1", hostname="db-0", subdomain="web")
    found = plan(service(clusterIP="None", ports=[]), stateful)
    assert found.create[0]["endpoints"][0]["hostname"] == "db-0"
    assert found.create[0]["ports"] == []
    assert "service.kubernetes.io/headless" in found.create[0]["metadata"]["labels"]


def test_hints_say_for_whom_an_endpoint_is_near() -> None:
    def hints(distribution: str, *, ready: bool = True) -> Any:
        one = pod("p", "10.0.0.1", ready=ready)
        found = plan(service(trafficDistribution=distribution), one, zones={"n1": "east"})
        return found.create[0]["endpoints"][0].get("hints")

    assert hints("PreferClose") == hints("PreferSameZone") == {"forZones": [{"name": "east"}]}
    assert hints("PreferSameNode") == {"forZones": [{"name": "east"}], "forNodes": [{"name": "n1"}]}
    assert hints("PreferSameNode", ready=False) is None


def stored(found: SlicePlan) -> tuple[Object, ...]:
    return tuple({**one, "metadata": {**one["metadata"], "name": f"web-{n}"}} for n, one in enumerate(found.create))


def test_what_is_right_already_is_left_alone() -> None:
    one, other = service(ipFamilies=["IPv4", "IPv6"]), pod("p", "10.0.0.1", "fd00::1")
    assert plan(one, other, existing=stored(plan(one, other))) == SlicePlan([], [], [])
    empty = plan(service())
    assert plan(service(), existing=stored(empty)) == SlicePlan([], [], [])


def test_slices_of_a_family_that_went_go() -> None:
    both, other = service(ipFamilies=["IPv4", "IPv6"]), pod("p", "10.0.0.1", "fd00::1")
    found = plan(service(), other, existing=stored(plan(both, other)))
    assert [one["addressType"] for one in found.delete] == ["IPv6"]
    assert not found.create and not found.update


def test_labels_of_the_service_reach_slices_that_do_not_change_otherwise() -> None:
    other = pod("p", "10.0.0.1")
    before = stored(plan(service(), other))
    renamed = service()
    renamed["metadata"]["labels"] = {"team": "y"}
    found = plan(renamed, other, existing=before)
    assert [one["metadata"]["labels"]["team"] for one in found.update] == ["y"]
    assert found.update[0]["endpoints"] == before[0]["endpoints"]
