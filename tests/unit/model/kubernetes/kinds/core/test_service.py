from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

import pytest

from corral.model.kubernetes.kinds import KINDS
from corral.model.kubernetes.kinds.core.service.allocation import InUse, Ranges, allocate, in_use
from corral.model.kubernetes.kinds.core.service.ranges import plan_address, plan_node_port
from corral.model.kubernetes.status import StatusError
from tests.support.kinds import added, changed, defaulted, edited, judged, row, status_judged

SERVICE: dict[str, Any] = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
FOUR, SIX = ip_network("10.96.0.0/16"), ip_network("fd00:96::/112")
SINGLE, DUAL = Ranges((FOUR,)), Ranges((FOUR, SIX))


def service(**changes: Any) -> dict[str, Any]:
    return edited(SERVICE, **changes)


def given(ranges: Ranges = SINGLE, used: InUse | None = None, seed: int = 1, **changes: Any) -> dict[str, Any]:
    found = defaulted("", "Service", service(**changes))
    KINDS["", "Service"].prepare_create(found)
    allocate(found, None, ranges, used or InUse(), Random(seed))
    return found


def refused(ranges: Ranges = SINGLE, used: InUse | None = None, **changes: Any) -> str:
    with pytest.raises(StatusError) as caught:
        given(ranges, used, **changes)
    return caught.value.message


def test_defaults() -> None:
    assert added("", "Service", SERVICE) == {
        "spec": {
            "ports": {0: {"protocol": "TCP", "targetPort": 80}},
            "sessionAffinity": "None",
            "type": "ClusterIP",
            "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    }
    balanced = added("", "Service", service(spec__type="LoadBalancer", spec__sessionAffinity="ClientIP"))["spec"]
    assert balanced["externalTrafficPolicy"] == "Cluster"
    assert balanced["allocateLoadBalancerNodePorts"] is True
    assert balanced["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert judged("", "Service", SERVICE) == []


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"spec__ports": []}, ["spec.ports: Required value"]),
        (
            {"spec__ports": [{"port": 80}, {"port": 81}]},
            ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
        ),
        (
            {"spec__ports": [{"name": "a", "port": 80}, {"name": "a", "port": 80}]},
            [
                'spec.ports[1].name: Duplicate value: "a"',
                'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80,"targetPort":0}',
            ],
        ),
        (
            {"spec__ports": [{"port": 0, "targetPort": "http"}]},
            ["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"],
        ),
        (
            {"spec__type": "Odd"},
            [
                'spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
                '"NodePort"'
            ],
        ),
        ({"spec__type": "ExternalName"}, ["spec.externalName: Required value"]),
        (
            {"spec__ports": [{"port": 80, "nodePort": 30080}]},
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            {"spec__externalTrafficPolicy": "Local"},
            ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
        ),
        (
            {"spec__clusterIP": "None", "spec__clusterIPs": ["None"], "spec__type": "NodePort"},
            ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
        ),
        (
            {"spec__clusterIP": "10.0.0.1", "spec__clusterIPs": ["10.0.0.2"]},
            ['spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'],
        ),
        (
            {"spec__ipFamilies": ["IPv4", "IPv4"], "spec__ipFamilyPolicy": "Both"},
            [
                'spec.ipFamilies[1]: Duplicate value: "IPv4"',
                'spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", '
                '"RequireDualStack", "SingleStack"',
            ],
        ),
        (
            {"spec__externalIPs": ["127.0.0.1"]},
            [
                'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, '
                "::1/128)"
            ],
        ),
        (
            {"spec__sessionAffinity": "ClientIP", "spec__sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}},
            [
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less "
                "than 86400"
            ],
        ),
        (
            {"spec__loadBalancerClass": "a.b/c"},
            ["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("", "Service", service(**changes)) == texts


def test_addresses_are_given_and_kept() -> None:
    found = given()["spec"]
    assert found["ipFamilies"] == ["IPv4"] and found["ipFamilyPolicy"] == "SingleStack"
    assert found["clusterIPs"] == [found["clusterIP"]] and ip_address(found["clusterIP"]) in FOUR
    old = given()
    assert changed("", "Service", old, spec__clusterIP="10.96.0.9", spec__clusterIPs=["10.96.0.9"]) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set'
    ]
    new = defaulted("", "Service", SERVICE)
    KINDS["", "Service"].prepare_update(new, old)
    assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    allocate(new, old, SINGLE, InUse(), Random(2))
    assert new["spec"] == old["spec"]


def test_both_families() -> None:
    found = given(DUAL, spec__ipFamilyPolicy="RequireDualStack")["spec"]
    assert found["ipFamilies"] == ["IPv4", "IPv6"]
    assert [ip_address(one).version for one in found["clusterIPs"]] == [4, 6]
    assert given(DUAL, spec__ipFamilies=["IPv6"])["spec"]["clusterIP"].startswith("fd00:96::")
    assert given(SINGLE, spec__ipFamilyPolicy="PreferDualStack")["spec"]["ipFamilies"] == ["IPv4"]
    assert refused(spec__ipFamilyPolicy="RequireDualStack") == (
        'Service "web" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not '
        "configured for dual-stack services"
    )
    assert refused(spec__ipFamilies=["IPv6"]) == (
        'Service "web" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    )
    old = given(DUAL, spec__ipFamilyPolicy="PreferDualStack")
    single = edited(old, spec__ipFamilyPolicy="SingleStack")
    allocate(single, old, DUAL, InUse(), Random(1))
    assert single["spec"]["clusterIPs"] == old["spec"]["clusterIPs"][:1]


def test_headless_and_external_names_get_nothing() -> None:
    headless = given(DUAL, spec__clusterIP="None")["spec"]
    assert headless["clusterIPs"] == ["None"] and headless["ipFamilies"] == ["IPv4", "IPv6"]
    selecting = given(DUAL, spec__clusterIP="None", spec__selector={"a": "b"})["spec"]
    assert selecting["ipFamilies"] == ["IPv4"]
    external = given(spec__type="ExternalName", spec__externalName="a.example.com", spec__ports=[])["spec"]
    assert "clusterIP" not in external and "ipFamilies" not in external


def test_an_address_may_be_asked_for() -> None:
    asked = {"spec__clusterIP": "10.96.0.10"}
    assert given(**asked)["spec"]["clusterIPs"] == ["10.96.0.10"]
    used = InUse({ip_address("10.96.0.10")})
    assert refused(SINGLE, used, **asked).endswith(
        '["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated'
    )
    assert refused(spec__clusterIP="10.1.0.1").endswith(
        "failed to allocate IP 10.1.0.1: the provided IP (10.1.0.1) is not in the valid range. The range of valid IPs "
        "is 10.96.0.0/16"
    )
    assert refused(DUAL, spec__clusterIP="10.96.0.10", spec__ipFamilies=["IPv6"]).endswith(
        'spec.clusterIPs[0]: Invalid value: "10.96.0.10": expected an IPv6 value as indicated by `ipFamilies[0]`'
    )


def test_chance_leaves_the_lower_part_alone_until_all_else_is_full() -> None:
    small = ip_network("10.0.0.0/24")
    chosen = {plan_address(small, (), Random(seed)) for seed in range(200)}
    assert all(int(one) - int(small.network_address) > 16 for one in chosen if one is not None) and len(chosen) > 50
    upper = {ip_address(int(small.network_address) + number) for number in range(17, 255)}
    last = plan_address(small, upper, Random(1))
    assert last is not None and int(last) - int(small.network_address) <= 16
    assert plan_address(small, set(small.hosts()), Random(1)) is None
    assert all((port or 0) >= 30086 for port in (plan_node_port((), Random(seed)) for seed in range(100)))
    assert plan_node_port(range(30000, 32768), Random(1)) is None


def test_node_ports() -> None:
    ports = [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81}]
    first, second = given(spec__type="NodePort", spec__ports=ports)["spec"]["ports"]
    assert first["nodePort"] == 30080 and second["nodePort"] in range(30086, 32768)
    dns = [{"name": "u", "port": 53, "protocol": "UDP"}, {"name": "t", "port": 53, "protocol": "TCP"}]
    udp, tcp = given(spec__type="NodePort", spec__ports=dns)["spec"]["ports"]
    assert udp["nodePort"] == tcp["nodePort"]
    used = in_use([given(spec__type="NodePort", spec__ports=ports)])
    assert refused(SINGLE, used, spec__type="NodePort", spec__ports=ports[:1]) == (
        'Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated'
    )
    assert refused(spec__type="NodePort", spec__ports=[{"port": 80, "nodePort": 80}]).endswith(
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    )
    health = "spec.healthCheckNodePort: Invalid value: 80: "
    balanced = {"spec__type": "LoadBalancer", "spec__healthCheckNodePort": 80}
    assert refused(spec__externalTrafficPolicy="Local", **balanced).endswith(
        f"{health}provided port is not in the valid range. The range of valid ports is 30000-32767"
    )
    unneeded = judged("", "Service", given(**balanced))
    assert unneeded == [f"{health}may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"]
    local = given(spec__type="LoadBalancer", spec__externalTrafficPolicy="Local")["spec"]
    assert local["healthCheckNodePort"] in range(30000, 32768)
    none = given(spec__type="LoadBalancer", spec__allocateLoadBalancerNodePorts=False)["spec"]
    assert "nodePort" not in none["ports"][0]


def test_another_type_takes_along_what_it_needs() -> None:
    old = given(spec__type="NodePort")
    new = edited(old, spec__type="ClusterIP")
    KINDS["", "Service"].prepare_update(new, old)
    assert "nodePort" not in new["spec"]["ports"][0] and "externalTrafficPolicy" not in new["spec"]
    assert judged("", "Service", new) == []
    external = edited(old, spec__type="ExternalName", spec__externalName="a.b")
    KINDS["", "Service"].prepare_update(external, old)
    assert judged("", "Service", external) == []
    assert "clusterIP" not in external["spec"]


def test_status_warnings_and_columns() -> None:
    assert status_judged("", "Service", SERVICE, {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}) == [
        "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    ]
    assert KINDS["", "Service"].warnings(service(spec__externalName="a"), None) == [
        'spec.externalName is ignored when spec.type is not "ExternalName"'
    ]
    found = given(
        spec__type="LoadBalancer", spec__selector={"app": "web"}, spec__ports=[{"port": 80, "nodePort": 30080}]
    )
    cells = row("", "Service", found, wide=True)
    assert cells["External-IP"] == "<pending>"
    assert (cells["Port(s)"], cells["Selector"], cells["Type"]) == ("80:30080/TCP", "app=web", "LoadBalancer")
