"""What a network cannot be."""

from __future__ import annotations

import pytest

from corral.errors import InvalidInput
from corral.model.network import NetworkOptions, NetworkSpec
from corral.networks.setup import check_spec


@pytest.mark.parametrize(("mtu", "ipv6", "least"), [(67, False, "IPv4 it is 68"), (1279, True, "IPv6 it is 1280")])
def test_packets_that_are_too_small_for_a_family(mtu: int, ipv6: bool, least: str) -> None:
    """The kernel says no more of them than "invalid argument", and that of an interface that nobody knows."""
    with pytest.raises(InvalidInput, match=f"^invalid MTU {mtu} of network shop: with {least} or more$"):
        check_spec(NetworkSpec("shop", ipv6=ipv6, options=NetworkOptions(mtu=mtu)))
    check_spec(NetworkSpec("shop", ipv6=ipv6, options=NetworkOptions(mtu=mtu + 1)))
    check_spec(NetworkSpec("shop", ipv6=ipv6))
