from __future__ import annotations

import pytest

from corral.errors import InvalidInput
from corral.model.container import BoundPort, PortBinding
from corral.networks.ports import Key, clash, free_numbers, key_of, parse_range, plan_binding

EPHEMERAL = range(100, 104)


def test_free_choice_goes_on_after_the_last() -> None:
    def numbers(last: int) -> list[int]:
        return list(free_numbers(plan_binding(PortBinding(80), EPHEMERAL, last), set()))

    assert numbers(0) == [100, 101, 102, 103]
    assert numbers(101) == [102, 103, 100, 101]
    assert numbers(103) == [100, 101, 102, 103]


def test_a_range_gives_what_is_free_on_all_addresses() -> None:
    wanted = plan_binding(PortBinding(80, host_port=100, host_port_end=103), EPHEMERAL)
    taken = {Key("tcp", "127.0.0.1", 100), Key("tcp", "::", 101), Key("udp", "0.0.0.0", 102)}
    assert list(free_numbers(wanted, taken)) == [102, 103]


def test_explicit_addresses() -> None:
    wanted = plan_binding(PortBinding(80, host_ip="0:0::1", host_port=5), EPHEMERAL)
    assert wanted.host_ips == ("::1",)
    assert not wanted.lenient
    with pytest.raises(InvalidInput, match="invalid host address 'localhost' of published port 80"):
        plan_binding(PortBinding(80, host_ip="localhost"), EPHEMERAL)


def test_clashes() -> None:
    taken = {Key("tcp", "0.0.0.0", 80), Key("tcp", "::1", 81)}
    assert clash(Key("tcp", "10.0.0.1", 80), taken)
    assert not clash(Key("tcp", "::1", 80), taken)
    assert not clash(Key("udp", "0.0.0.0", 80), taken)
    assert clash(Key("tcp", "::", 81), taken)
    assert not clash(Key("tcp", "::2", 81), taken)


def test_small_things() -> None:
    assert key_of(BoundPort(80, "tcp", "::1", 8080)).text == "[::1]:8080"
    assert parse_range("1024 1025\n") == range(1024, 1026)
