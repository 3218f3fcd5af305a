"""What may not be in the text: words that a minimal system does not know."""

from __future__ import annotations

import re

from corral.cluster.proxy.settings import PodNetwork, ProxySettings
from corral.cluster.proxy.tables import plan_frames, plan_limit, plan_pick, plan_tables

SETTINGS = ProxySettings(
    "t", ("10.1.0.0/16", "fd00::/64"), (PodNetwork("10.1.0.0/16", "02:00:00:00:00:01"),), own=("cn1*",), others=("cn*",)
)


def test_protocols_are_numbers() -> None:
    text = plan_tables(SETTINGS) + plan_pick("t", "heads4", "0xc1000003") + plan_limit("t", 1, 5)
    assert not re.search(r"\b(tcp|udp|sctp|icmp) dport|l4proto (tcp|udp|icmp)", text)


def test_subnets_go_to_the_sets_of_their_family() -> None:
    text = plan_tables(SETTINGS) + plan_frames(SETTINGS)
    assert "add element inet t pods4 { 10.1.0.0/16 }" in text and "add element inet t pods6 { fd00::/64 }" in text
    assert "add element bridge t macs4 { 10.1.0.0/16 : 02:00:00:00:00:01 }" in text


def test_other_instances_are_left_alone_after_what_is_our_own() -> None:
    text = plan_tables(SETTINGS)
    assert text.index('iifname "cn1*" goto services') < text.index('iifname "cn*" accept')
