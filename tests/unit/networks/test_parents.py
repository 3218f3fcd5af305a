from __future__ import annotations

import errno
from typing import Any, cast

import pytest

from corral.errors import HostError, InvalidInput
from corral.linux.netlink import Link
from corral.model.container import Endpoint
from corral.model.network import Network, NetworkOptions, NetworkSpec
from corral.networks.parents import check_parent, plug_over, prepare_parent
from corral.networks.wires import Wires

LAN = Network("4f2a00112233", NetworkSpec("lan", "ipvlan", options=NetworkOptions(parent="eth0")))


class Refusing:
    """A kernel that refuses whatever it is asked to make."""

    def __init__(self, code: int) -> None:
        self._code = code

    def alias(self, network_id: str) -> str:
        return ""

    def find(self, name: str) -> Link | None:
        if name != "eth0":
            return None
        return cast(Link, type("Found", (), {"index": 2, "name": name}))

    def batch(self, requests: list[Any]) -> None:
        raise HostError("create interface eth0 on interface 2: refused", self._code)


def _plug(code: int) -> str:
    with pytest.raises(HostError) as failure:
        plug_over(cast(Wires, Refusing(code)), 0, Endpoint("lan", "", "e", interface="eth0"), LAN)
    return failure.value.message


def test_a_kernel_without_the_driver_is_named() -> None:
    assert _plug(errno.EOPNOTSUPP) == (
        "network lan: the kernel of this host has no ipvlan (modprobe ipvlan finds none); "
        "make the network with another driver"
    )
    assert _plug(errno.EBUSY) == "create interface eth0 on interface 2: refused"


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ("eth0.50", "8021q (modprobe 8021q finds none); make eth0.50 by other means, or name another parent"),
        ("", "dummy (modprobe dummy finds none); name an interface of this host's as the parent"),
    ],
)
def test_a_kernel_that_cannot_make_the_parent(parent: str, message: str) -> None:
    network = Network("4f2a00112233", NetworkSpec("lan", "macvlan", options=NetworkOptions(parent=parent)))
    with pytest.raises(HostError) as failure:
        prepare_parent(cast(Wires, Refusing(errno.EOPNOTSUPP)), network)
    assert failure.value.message == f"network lan: the kernel of this host has no {message}"


@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_ways_of_ipvlan_that_are_not_offered(mode: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^ipvlan mode '{mode}' is not offered: l2 is$"):
        check_parent(NetworkSpec("lan", "ipvlan", options=NetworkOptions(parent="eth0", mode=mode)))
