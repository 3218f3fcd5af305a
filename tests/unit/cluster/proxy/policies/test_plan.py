from __future__ import annotations

from typing import Any

from corral.cluster.proxy.policies.plan import Policing, plan_policing
from corral.cluster.proxy.policies.rules import PodFacts, parse_policy, pod_facts

NAMESPACES = {"a": {"team": "x"}, "b": {"team": "y"}}


def pod(address: str, namespace: str = "a", local: bool = True, **labels: str) -> PodFacts:
    return PodFacts(namespace, tuple(sorted(labels.items())), (address,), ((("web", 6), 8080),), local)


def policy(**spec: Any) -> Any:
    return parse_policy({"metadata": {"namespace": "a"}, "spec": {"podSelector": {}, **spec}})


def sets(policing: Policing) -> set[str]:
    """What is let through, over all sets."""
    return {key for name, key in policing.elements if not name.startswith("isolated")}


def test_without_a_policy_nobody_is_isolated() -> None:
    assert plan_policing([], [pod("10.1.0.2")], NAMESPACES) == Policing({}, {}, {})


def test_pods_of_other_nodes_and_namespaces_are_left_to_others() -> None:
    pods = [pod("10.1.0.2", local=False), pod("10.1.0.3", "b")]
    assert plan_policing([policy()], pods, NAMESPACES).elements == {}


def test_pods_with_the_same_rules_share_a_chain() -> None:
    policing = plan_policing([policy(), policy(ingress=[{}])], [pod("10.1.0.2"), pod("10.1.0.3")], NAMESPACES)
    assert len(policing.chains) == 1 and len(set(policing.elements.values()) - {""}) == 1
    assert sets(policing) == {"0.0.0.0/0 . 0-255 . 0-65535", "::/0 . 0-255 . 0-65535"}


def test_named_ports_are_those_of_who_is_called() -> None:
    ports = [{"port": "web"}, {"port": "none"}]
    inward = policy(
        podSelector={"matchLabels": {"app": "s"}}, ingress=[{"from": [{"podSelector": {}}], "ports": ports}]
    )
    pods = [pod("10.1.0.2", app="s"), pod("10.1.0.3")]
    assert sets(plan_policing([inward], pods, NAMESPACES)) == {"10.1.0.2 . 6 . 8080", "10.1.0.3 . 6 . 8080"}
    outward = policy(egress=[{"ports": ports}], policyTypes=["Egress"])
    others = [pod("10.1.0.2"), PodFacts("b", (), ("10.1.0.9",), ((("web", 6), 81),))]
    assert sets(plan_policing([outward], others, NAMESPACES)) == {"10.1.0.2 . 6 . 8080", "10.1.0.9 . 6 . 81"}


def test_the_name_server_is_let_through_where_it_listens() -> None:
    dns = PodFacts("kube-system", (("k8s-app", "kube-dns"),), ("10.1.0.1",), moved=((53, 5353),))
    rule = {"to": [{"namespaceSelector": {}}], "ports": [{"protocol": "UDP", "port": 53}]}
    found = plan_policing([policy(egress=[rule])], [pod("10.1.0.2"), dns], {**NAMESPACES, "kube-system": {}})
    assert {"10.1.0.1 . 17 . 53", "10.1.0.1 . 17 . 5353"} <= sets(found)


def test_pods_without_an_address_of_their_own() -> None:
    base = {"metadata": {"namespace": "a"}, "spec": {}, "status": {"podIP": "10.1.0.2", "phase": "Running"}}
    assert pod_facts(base, "n") is not None
    assert pod_facts({**base, "spec": {"hostNetwork": True}}, "n") is None
    assert pod_facts({**base, "status": {"podIP": "10.1.0.2", "phase": "Failed"}}, "n") is None
    assert pod_facts({**base, "status": {}}, "n") is None
