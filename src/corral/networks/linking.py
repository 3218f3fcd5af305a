"""Links: who may call whom in a network whose containers are kept apart. Only the default one has them, as in Docker.

How such a call goes::

    caller ── who has the neighbour's address? ──► isolated port ──► the bridge itself answers: here (see `forwarding`)
    caller ── packet to the bridge ──► forward: bridge, addresses, protocol and port in `linked4`? ──► the neighbour
    the neighbour's answer: the same way, as what is established

Where frames within a bridge pass the firewall anyway (br_netfilter) ports are not isolated; the packet goes straight,
past the same rule. There is no such way for IPv6, whose neighbours nobody answers for: there containers stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from corral.model.network import Network
from corral.networks.members import Member
from corral.networks.rules import Element, plan_linked


def plan_links_led(network: Network, members: Mapping[str, Member]) -> set[Element]:
    """Pure: what the firewall is to say of all links between containers that are in a network now.

    >>> from corral.model.container import Endpoint
    >>> from corral.model.network import NetworkOptions, NetworkSpec
    >>> from corral.networks.members import Links
    >>> apart = Network("4f2a", NetworkSpec("bridge", options=NetworkOptions(icc=False)), bridge="cr0", builtin=True)
    >>> db = Member("1", "db", "", links=Links(exposed=((5432, "tcp"),)))
    >>> web = Member("2", "web", "", links=Links(calls=("1", "gone"), exposed=((80, "tcp"),)))
    >>> for number, member in enumerate((db, web), 2):
    ...     member.endpoints["bridge"] = Endpoint("bridge", "", "", ipv4=f"10.64.0.{number}")
    >>> [element.text for element in plan_links_led(apart, {"1": db, "2": web})]
    ['cr0 . 10.64.0.3 . 10.64.0.2 . tcp . 5432']
    """
    if network.spec.options.icc:
        return set()
    addresses = {id: _address(member, network) for id, member in members.items()}
    pairs = [(id, called) for id, member in members.items() for called in member.links.calls]
    return {
        plan_linked(network.bridge, addresses[caller], addresses[called], protocol, port)
        for caller, called in pairs
        if addresses[caller] and addresses.get(called)
        for port, protocol in members[called].links.exposed
    }


def _address(member: Member, network: Network) -> str:
    end = member.endpoints.get(network.name)
    return end.ipv4 if end else ""
