"""macvlan and ipvlan networks: containers on the wire of one of the host's own interfaces. Blocks, but for the plan.

Their packets go past the host's bridges and firewall: ports are not published there, and the host itself cannot be
reached from them (so the kernel has it).
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from corral.errors import HostError, InvalidInput, NotFound
from corral.linux import links
from corral.linux.netlink import Request
from corral.model.container import Endpoint
from corral.model.network import Network, NetworkSpec
from corral.networks.wires import Wires

DRIVERS = ("macvlan", "ipvlan")
MODES = {"macvlan": ("bridge", "private", "vepa", "passthru"), "ipvlan": ("l2",)}


class Parent(NamedTuple):
    """The interface to stand on: `name`; `vlan` of `base` where it is to be made so; made from nothing without one."""

    name: str
    base: str = ""
    vlan: int = 0


def check_parent(spec: NetworkSpec) -> None:
    """InvalidInput for a mode or a parent that the driver does not have."""
    mode = spec.options.mode
    if mode and mode not in MODES[spec.driver]:
        offered = MODES[spec.driver]
        verb = "are" if len(offered) > 1 else "is"
        raise InvalidInput(f"{spec.driver} mode '{mode}' is not offered: {', '.join(offered)} {verb}")
    if spec.options.parent == "lo":
        raise InvalidInput(f"loopback interface is not a valid {spec.driver} parent link")


def plan_parent(network: Network) -> Parent:
    """Pure.

    >>> plan_parent(Network("4f2a00112233", NetworkSpec("a", "macvlan")))
    Parent(name='dm-4f2a00112233', base='', vlan=0)
    """
    parent = network.spec.options.parent
    if not parent:
        return Parent(f"dm-{network.id[:12]}")
    base, dot, number = parent.rpartition(".")
    vlan = int(number) if dot and number.isdigit() and 0 < int(number) < 4095 else 0
    return Parent(parent, base if vlan else "", vlan)


def prepare_parent(wires: Wires, network: Network) -> None:
    """Makes the interface where it is missing and can be made: a VLAN of another, or one that leads nowhere."""
    parent = plan_parent(network)
    if wires.find(parent.name) is not None:
        return
    alias = wires.alias(network.id)
    if parent.vlan:
        base = wires.find(parent.base)
        if base is None:
            raise NotFound(f"interface {parent.base} does not exist: {parent.name} cannot be made on it")
        requests = [links.add_vlan(parent.name, base.index, parent.vlan), links.set_alias(parent.name, alias)]
        _make(wires, requests, network, "8021q", f"make {parent.name} by other means, or name another parent")
    elif network.spec.options.parent:
        raise NotFound(f"interface {parent.name} does not exist; name one of this host's as the parent")
    else:
        requests = [links.add_dummy(parent.name), links.set_alias(parent.name, alias)]
        _make(wires, requests, network, "dummy", "name an interface of this host's as the parent")


def _make(wires: Wires, requests: list[Request], network: Network, module: str, instead: str) -> None:
    """HostError that names the module that the kernel lacks, and what to do then."""
    try:
        wires.batch(requests)
    except HostError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        missing = f"the kernel of this host has no {module} (modprobe {module} finds none)"
        raise HostError(f"network {network.name}: {missing}; {instead}", error.errno) from error


def plug_over(wires: Wires, netns: int, endpoint: Endpoint, network: Network) -> None:
    """The container's interface on the parent."""
    parent = wires.find(plan_parent(network).name)
    if parent is None:
        raise HostError(f"interface {plan_parent(network).name} of network {network.name} is gone")
    requests = [plan_over(parent.index, netns, endpoint, network)]
    _make(wires, requests, network, network.driver, "make the network with another driver")


def plan_over(parent: int, netns: int, endpoint: Endpoint, network: Network) -> Request:
    mode, mtu = network.spec.options.mode, network.spec.options.mtu
    if network.driver == "ipvlan":
        return links.add_ipvlan(endpoint.interface, parent, netns, mode=mode or "l2", mtu=mtu)
    return links.add_macvlan(endpoint.interface, parent, netns, mode=mode or "bridge", mac=endpoint.mac, mtu=mtu)
