from __future__ import annotations

from corral.model.container import BoundPort
from corral.networks.foreign import advice, dropping_chains
from corral.networks.rules import Element, Table, parse_elements, plan_delete, plan_element, plan_reset, plan_table

TABLE = Table("corral_ab12", "cr-ab12", "10.64.0.0/16")


def test_only_the_own_table_is_named() -> None:
    for text in (plan_table(TABLE), plan_reset(TABLE, [])):
        tables = [line.split()[3] for line in text.splitlines() if line.startswith(("add ", "flush ", "delete "))]
        assert set(tables) == {"corral_ab12"}
        assert "flush ruleset" not in text


def test_without_ipv6_there_are_no_ipv6_rules() -> None:
    assert "6 saddr" not in plan_table(TABLE)
    assert "any6" not in plan_table(TABLE)
    with6 = plan_table(Table("t", "b", "10.64.0.0/16", "fd00::/64"))
    assert "ip6 saddr fd00::/64" in with6
    assert "@any6" in with6


def test_icc() -> None:
    assert 'iifname "cr-ab12" accept' in plan_table(TABLE)
    assert 'iifname "b" drop' in plan_table(Table("t", "b", "10.64.0.0/16", icc=False))


def test_elements() -> None:
    assert plan_element(BoundPort(80, "tcp", "::", 80), "10.64.0.2", "fd00::2") == Element(
        "any6", "tcp . 80", "fd00::2 . 80"
    )
    assert plan_element(BoundPort(80, "tcp", "::1", 80), "10.64.0.2", "fd00::2") is None
    element = plan_element(BoundPort(80, "sctp", "192.0.2.1", 81), "10.64.0.2")
    assert element == Element("host4", "192.0.2.1 . sctp . 81", "10.64.0.2 . 80")
    assert plan_delete("t", [element]) == "delete element inet t host4 { 192.0.2.1 . sctp . 81 }\n"
    assert parse_elements("any4", [{"metainfo": {}}, {"map": {"name": "any4"}}]) == []


def test_foreign_rules() -> None:
    docker = {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}
    own = {"family": "inet", "table": "corral", "name": "forward", "hook": "forward", "policy": "drop"}
    fine = {"family": "inet", "table": "x", "name": "y", "hook": "forward", "policy": "accept"}
    assert dropping_chains([{"chain": c} for c in (docker, own, fine)], "corral") == ["ip filter FORWARD"]
    assert "nft insert rule inet fw fwd iifname corral0 accept" in advice("inet fw fwd", "corral0")
