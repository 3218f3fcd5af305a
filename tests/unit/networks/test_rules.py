from __future__ import annotations

from typing import Any

import pytest

from corral.model.container import BoundPort
from corral.model.network import NetworkOptions
from corral.networks.rules import (
    Element,
    parse_elements,
    plan_delete,
    plan_element,
    plan_linked,
    plan_network_elements,
    plan_reset,
    plan_table,
)

TABLE = "corral_ab12"


def test_only_the_own_table_is_named() -> None:
    for text in (plan_table(TABLE), plan_reset(TABLE, [])):
        lines = [line.split() for line in text.splitlines() if line.startswith(("add ", "flush ", "delete "))]
        assert {words[3] for words in lines} == {"corral_ab12"}
        assert "flush ruleset" not in text


def test_a_restart_keeps_the_ports_and_makes_the_networks_anew() -> None:
    flushed = [line.split()[-1] for line in plan_table(TABLE).splitlines() if line.startswith("flush ")]
    assert "bridges" in flushed and "masked4" in flushed
    assert not {"any4", "host4", "any6", "host6", "routed4", "routed6", "linked4"} & set(flushed)


def sets(**given: Any) -> set[tuple[str, str]]:
    internal = given.pop("internal", False)
    elements = plan_network_elements(["b"], ["10.64.0.0/16", "fd00::/64"], NetworkOptions(**given), internal=internal)
    return {(element.map, element.text) for element in elements}


HOMES = {("bridges", "b"), ("homes4", "10.64.0.0/16"), ("homes6", "fd00::/64")}
MEETING, MASKED4, MASKED6 = ("meeting", "b . b"), ("masked4", "10.64.0.0/16"), ("masked6", "fd00::/64")


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({}, {MEETING, MASKED4, MASKED6}),
        ({"icc": False}, {MASKED4, MASKED6}),
        ({"masquerade": False}, {MEETING}),
        ({"internal": True}, {MEETING, ("internal", "b")}),
        ({"gateway6": "routed"}, {MEETING, MASKED4, ("reachable", "b")}),
        ({"gateway4": "open"}, {MEETING, MASKED6, ("open4", "b")}),
        ({"source4": "192.0.2.1"}, {MEETING, MASKED6, ("sources4", "10.64.0.0/16 : 192.0.2.1")}),
    ],
)
def test_what_the_sets_say_of_a_network(given: dict[str, Any], more: set[tuple[str, str]]) -> None:
    assert sets(**given) == HOMES | more


def test_a_network_of_several_bridges() -> None:
    elements = plan_network_elements(["b", "b2"], [], NetworkOptions(icc=False), internal=False)
    assert [(e.map, e.key) for e in elements] == [
        ("bridges", "b"),
        ("bridges", "b2"),
        ("further", "b2"),
        ("meeting", "b2 . b2"),
    ]


def test_elements() -> None:
    assert plan_element(BoundPort(80, "tcp", "::", 80), "10.64.0.2", "fd00::2") == Element(
        "any6", "tcp . 80", "fd00::2 . 80"
    )
    assert plan_element(BoundPort(80, "tcp", "::1", 80), "10.64.0.2", "fd00::2") is None
    element = plan_element(BoundPort(80, "sctp", "192.0.2.1", 81), "10.64.0.2")
    assert element == Element("host4", "192.0.2.1 . sctp . 81", "10.64.0.2 . 80")
    assert plan_delete("t", [element]) == "delete element inet t host4 { 192.0.2.1 . sctp . 81 }\n"
    assert parse_elements("any4", [{"metainfo": {}}, {"map": {"name": "any4"}}]) == []


def test_links_as_the_kernel_lists_them() -> None:
    """Protocols are numbers where /etc/protocols is missing."""
    element = plan_linked("cr-ab12", "10.64.0.3", "10.64.0.2", "udp", 53)
    listed = {"concat": ["cr-ab12", "10.64.0.3", "10.64.0.2", 17, 53]}
    assert parse_elements("linked4", [{"set": {"elem": [listed]}}]) == [element]
    assert (
        plan_delete("t", [element]) == "delete element inet t linked4 { cr-ab12 . 10.64.0.3 . 10.64.0.2 . udp . 53 }\n"
    )
