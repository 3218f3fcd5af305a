"""Firewalls of others: what they drop, and what is to be told to whom."""

from __future__ import annotations

from typing import Any

import pytest

from corral.networks.foreign import find_blocked, forwarding_tables, plan_advice
from corral.networks.verdicts import Packet, Table, drops, read_iptables, read_table

BRIDGES = ["corral0", "cn*"]
UFW = """-P FORWARD DROP
-N ufw-before-forward
-N ufw-user-forward
-A FORWARD -j ufw-before-forward
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -p icmp -m icmp --icmp-type 3 -j ACCEPT
-A ufw-before-forward -j ufw-user-forward"""
UFW_ALLOWED = "".join(
    f"\n-A ufw-user-forward -{way} {bridge} -j ACCEPT" for bridge in ("corral0", "cn+") for way in "io"
)
FIREWALLD_IPTABLES = """-P FORWARD ACCEPT
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
-A FORWARD -i lo -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -j FORWARD_ZONES
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
-A FORWARD_ZONES -g FWD_public
-A FWD_public -j REJECT --reject-with icmp-port-unreachable"""


def told(*tables: Table, filtered: frozenset[int] = frozenset()) -> list[str]:
    return plan_advice([found for table in tables for found in find_blocked(table, BRIDGES, filtered)], BRIDGES)


def iptables(listed: str, name: str = "ip filter", tool: str = "iptables-nft") -> Table:
    return read_iptables(name, tool, listed)


def rule(chain: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {"chain": chain, "expr": list(parts)}}


def comes(name: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": name}}


def firewalld(*zones: dict[str, Any]) -> Table:
    """As `nft -j list table inet firewalld` has it. Its policy is to accept; it refuses by its last rule."""
    state = {"op": "==", "left": {"ct": {"key": "state"}}, "right": {"set": ["established", "related"]}}
    status = {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}
    address = {"op": "==", "left": {"payload": {"protocol": "ip6", "field": "daddr"}}, "right": "::1"}
    return read_table(
        "inet firewalld",
        [
            {"metainfo": {}},
            {"chain": {"name": "filter_FORWARD", "hook": "forward", "policy": "accept"}},
            {"chain": {"name": "zones"}},
            rule("filter_FORWARD", {"match": state}, {"accept": None}),
            rule("filter_FORWARD", {"match": status}, {"accept": None}),
            rule("filter_FORWARD", {"match": address}, {"reject": None}),
            rule("filter_FORWARD", {"jump": {"target": "zones"}}),
            rule("filter_FORWARD", {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}),
            *zones,
        ],
    )


def test_tables_with_a_chain_where_packets_are_forwarded() -> None:
    chains = [("inet", "corral"), ("inet", "corral_services"), ("ip", "filter"), ("bridge", "filter"), ("inet", "fw")]
    listed = [{"chain": {"family": f, "table": t, "name": "x", "hook": "forward"}} for f, t in chains]
    without = {"chain": {"family": "ip", "table": "nat", "name": "x", "hook": "prerouting"}}
    assert forwarding_tables([*listed, without], "corral") == ["ip filter", "inet fw"]


def test_firewalld_refuses_what_containers_begin_and_says_so_by_its_last_rule() -> None:
    [said] = told(firewalld())
    assert said == (
        "the chain inet firewalld filter_FORWARD drops forwarded packets, containers cannot reach out; to let them: "
        "firewall-cmd --permanent --zone=trusted --add-interface=corral0 --add-interface=cn+ && firewall-cmd --reload"
    )
    trusted = [rule("zones", comes(name), {"accept": None}) for name in BRIDGES]
    assert told(firewalld(*trusted)) == []
    assert len(told(firewalld(trusted[0]))) == 1  # not all bridges


def test_firewalld_with_iptables_is_told_by_firewall_cmd_too() -> None:
    [said] = told(iptables(FIREWALLD_IPTABLES))
    assert "containers cannot reach out; to let them: firewall-cmd" in said


def test_ufw_is_told_once_for_both_families_and_then_nothing_is_said() -> None:
    [said] = told(iptables(UFW), iptables(UFW.replace("ufw-", "ufw6-"), "ip6 filter"))
    assert said.startswith(
        "the chains ip filter FORWARD, ip6 filter FORWARD drop forwarded packets, containers cannot "
    )
    assert "reach out and published ports are not reached from outside; to let them: ufw route allow in on cor" in said
    assert said.endswith("ufw route allow in on cn+; ufw route allow out on cn+")
    assert told(iptables(UFW + UFW_ALLOWED)) == []


def test_dockerd_has_a_chain_for_rules_of_users() -> None:
    listed = "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -i docker0 -j ACCEPT\n"
    [said] = told(iptables(listed + "-A DOCKER-USER -j RETURN"))
    assert "iptables -I DOCKER-USER -i cn+ -j ACCEPT; iptables -I DOCKER-USER -o cn+ -j ACCEPT" in said
    followed = "".join(f"-A DOCKER-USER -{w} {b} -j ACCEPT\n" for b in ("corral0", "cn+") for w in "io")
    assert told(iptables(listed + followed + "-A DOCKER-USER -j RETURN")) == []


def test_rules_of_the_old_iptables_are_changed_by_the_old_iptables() -> None:
    [said] = told(iptables("-P FORWARD DROP", "ip6 filter", "ip6tables-legacy"))
    assert said.startswith("the chain ip6 filter FORWARD (ip6tables-legacy) drops")
    assert "ip6tables-legacy -I FORWARD -i corral0 -j ACCEPT" in said


def test_a_chain_of_nftables_by_hand() -> None:
    table = read_table("inet fw", [{"chain": {"name": "fwd", "hook": "forward", "policy": "drop"}}])
    [said] = told(table)
    assert 'nft insert rule inet fw fwd iifname "corral0" accept' in said and 'oifname "cn*" accept' in said


@pytest.mark.parametrize("name, version", [("ip filter", 4), ("ip6 filter", 6), ("inet fw", 4), ("inet fw", 6)])
def test_frames_between_ports_of_a_bridge_where_br_netfilter_shows_them_to_the_chains(name: str, version: int) -> None:
    bridges, seen = ("corral0", "cn+"), frozenset({version})
    ways = [
        f"-A FORWARD -i {each} ! -o {each} -j ACCEPT\n-A FORWARD ! -i {each} -o {each} -j ACCEPT" for each in bridges
    ]
    table = iptables("\n".join(["-P FORWARD DROP", *ways]), name)
    assert told(table) == []
    [said] = told(table, filtered=seen)
    assert "FORWARD drops forwarded packets, containers of one network cannot reach each other; to let them: " in said
    inside = [f"-A FORWARD -i {each} -o {each} -j ACCEPT" for each in bridges]
    assert told(iptables("\n".join(["-P FORWARD DROP", *ways, *inside]), name), filtered=seen) == []


def test_frames_of_the_other_version_of_ip_do_not_count() -> None:
    table = iptables("-P FORWARD ACCEPT\n-A FORWARD -i cn+ -o cn+ -j DROP")
    assert told(table, filtered=frozenset({6})) == []
    assert len(told(table, filtered=frozenset({4}))) == 1


def test_all_that_is_lost_is_said_in_one_line() -> None:
    [said] = told(iptables("-P FORWARD DROP"), filtered=frozenset({4}))
    assert (
        "drops forwarded packets, containers cannot reach out, published ports are not reached from outside and "
        "containers of one network cannot reach each other; to let them: iptables -I FORWARD -i corral0"
    ) in said


@pytest.mark.parametrize(
    "accepts",
    [
        "-s 10.0.0.0/8 -j ACCEPT",
        "-p tcp -m tcp --dport 80 -j ACCEPT",
        "! -i cn+ -j ACCEPT",
        "-m mark --mark 0x1 -j ACCEPT",
        "-i eth0 -j ACCEPT",
        "-m conntrack ! --ctstate NEW -j ACCEPT",
        "-j LOG",
        "-i cn+ -p udp -g OTHER",
    ],
)
def test_what_may_mean_another_packet_lets_ours_not_through(accepts: str) -> None:
    table = iptables(f"-P FORWARD DROP\n-A FORWARD {accepts}\n-A OTHER -j ACCEPT")
    assert drops(table, Packet("cn1", "another")) == ["FORWARD"]


@pytest.mark.parametrize(
    "accepts",
    ["! -i eth0 -j ACCEPT", "-m comment --comment 'a b' -j ACCEPT", "-m state ! --state ESTABLISHED -j ACCEPT"],
)
def test_what_means_ours_for_certain_lets_it_through(accepts: str) -> None:
    assert drops(iptables(f"-P FORWARD DROP\n-A FORWARD {accepts}"), Packet("cn1", "another")) == []


def test_extensions_as_nft_tells_of_them() -> None:
    match, comment, refuse = ({"xt": {"type": kind, "name": name}} for kind, name in (
        ("match", "conntrack"), ("match", "comment"), ("target", "REJECT")
    ))  # fmt: skip
    chain = {"chain": {"name": "FORWARD", "hook": "forward", "policy": "accept"}}
    for parts, dropped in (
        ((match, refuse), False),
        ((comment, refuse), True),
        (({"xt": None}, {"drop": None}), False),
    ):
        table = read_table("ip filter", [chain, rule("FORWARD", *parts)])
        assert bool(drops(table, Packet("cn1", "another"))) is dropped


def test_chains_that_call_each_other_end() -> None:
    assert drops(iptables("-P FORWARD DROP\n-A FORWARD -j X\n-A X -j X"), Packet("cn1", "a")) == ["FORWARD"]
