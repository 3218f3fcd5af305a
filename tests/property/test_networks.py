"""Addresses and ports, whatever is asked for in whatever order."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.errors import HostError
from corral.model.container import Endpoint, PortBinding
from corral.model.network import Network, NetworkOptions, NetworkSpec
from corral.networks.addresses import AddressPool, candidates, choose_subnet
from corral.networks.config import POOLS
from corral.networks.linking import plan_links_led
from corral.networks.members import Links, Member
from corral.networks.ports import Key, clash, free_numbers, plan_binding

networks = st.builds(
    lambda address, size: IPv4Network((address, size), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)


@given(st.lists(networks, max_size=20), st.integers(0, 300))
def test_a_chosen_subnet_overlaps_nothing(taken: list[IPv4Network], start: int) -> None:
    busy, pools = [n for n in taken if n.prefixlen], POOLS[:3]  # the fourth has thousands
    free = [c for c in candidates(pools) if not any(c.overlaps(n) for n in busy)]
    if not free:
        with pytest.raises(HostError):
            choose_subnet(pools, taken, start)
    else:
        assert choose_subnet(pools, taken, start) in free


@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=80))
def test_no_address_is_given_twice(steps: list[int | None]) -> None:
    """None takes one, a number gives back the address that many from the oldest."""
    network = IPv4Network("10.0.0.0/28")
    pool = AddressPool(network)
    held = []
    for step in steps:
        if step is not None:
            if held:
                pool.give(held.pop(step % len(held)))
        elif len(held) == 13:
            with pytest.raises(HostError):
                pool.take()
        else:
            address = pool.take()
            assert address in network
            assert address not in held
            assert address not in (network[0], network[1], network[15])
            held.append(address)
        assert len(pool) == len(held)


ips = st.sampled_from(["", "0.0.0.0", "::", "127.0.0.1", "::1", "192.0.2.1"])
bindings = st.builds(
    PortBinding,
    port=st.just(80),
    protocol=st.sampled_from(["tcp", "udp"]),
    host_ip=ips,
    host_port=st.sampled_from([0, 5, 6, 7]),
    host_port_end=st.sampled_from([0, 7, 9]),
)


@given(st.lists(bindings, max_size=30))
def test_no_port_is_published_twice(asked: list[PortBinding]) -> None:
    taken: set[Key] = set()
    for binding in asked:
        wanted = plan_binding(binding, range(5, 12))
        number = next(free_numbers(wanted, taken), None)
        if number is None:
            continue
        for ip in wanted.host_ips:
            key = Key(wanted.protocol, ip, number)
            assert not clash(key, taken)
            assert not any(clash(other, {key}) for other in taken)
            taken.add(key)


ids = st.sampled_from("abcdef")
exposed = st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["tcp", "udp"])), max_size=3).map(tuple)
seats = st.sampled_from([("bridge",), ("shop",), ("bridge", "shop"), ()])
linked = st.dictionaries(ids, st.tuples(seats, st.lists(ids, max_size=3).map(tuple), exposed), max_size=6)


@given(linked, st.booleans())
def test_links_open_what_is_linked_and_nothing_else(
    asked: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[int, str], ...]]], icc: bool
) -> None:
    members, addresses = {}, {}
    for number, (id, (networks, calls, ports)) in enumerate(asked.items()):
        member = members[id] = Member(id, id, "", links=Links(calls, ports))
        addresses[f"10.0.0.{number}"] = id
        for name in networks:
            ipv4 = f"10.0.0.{number}" if name == "bridge" else f"10.9.0.{number}"
            member.endpoints[name] = Endpoint(name, "", "", ipv4=ipv4)
    default = Network("1", NetworkSpec("bridge", options=NetworkOptions(icc=icc)), bridge="cr0", builtin=True)
    opened = set()
    for element in plan_links_led(default, members):
        bridge, caller, called, protocol, port = element.text.split(" . ")
        assert (element.map, bridge) == ("linked4", "cr0")
        opened.add((addresses[caller], addresses[called], int(port), protocol))
    on_it = {id for id, (networks, _, _) in asked.items() if "bridge" in networks}
    assert opened == {
        (caller, called, port, protocol)
        for caller in on_it
        for called in on_it & set(asked[caller][1])
        for port, protocol in asked[called][2]
        if not icc
    }
