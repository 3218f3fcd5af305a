"""Holding the host's ports: on this host's loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from corral.errors import HostError
from corral.linux.listeners import find_holder
from corral.networks.holds import hold_first, release
from corral.networks.ports import Wanted


def _listen(family: socket.AddressFamily, address: str, port: int = 0) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.bind((address, port))
    listening.listen()
    return listening


@pytest.fixture
def taken6() -> Iterator[int]:
    """A port that somebody has on ::1 alone."""
    with _listen(socket.AF_INET6, "::1") as listening:
        yield listening.getsockname()[1]


def test_the_address_that_is_taken_is_named(taken6: int) -> None:
    """Not the one that was tried first, which is free."""
    wanted = Wanted(80, "tcp", ("127.0.0.1", "::1"), (range(taken6, taken6 + 1),))
    with pytest.raises(HostError) as refused:
        hold_first(wanted, {}, "10.64.0.2")
    assert f"for [::1]:{taken6}:10.64.0.2:80/tcp: address already in use (" in refused.value.message
    assert f"process {os.getpid()}, has it" in refused.value.message


def test_what_was_held_before_the_taken_one_is_given_back(taken6: int) -> None:
    with pytest.raises(HostError):
        hold_first(Wanted(80, "tcp", ("127.0.0.1", "::1"), (range(taken6, taken6 + 1),)), {}, "10.64.0.2")
    release(hold_first(Wanted(80, "tcp", ("127.0.0.1",), (range(taken6, taken6 + 1),)), {}, "10.64.0.2"))


def test_who_has_the_port_of_another_address_is_not_blamed(taken6: int) -> None:
    assert find_holder("tcp", "127.0.0.1", taken6) is None
    for address in ("::1", "::"):
        found = find_holder("tcp", address, taken6)
        assert found is not None and found.pid == os.getpid()


def test_a_socket_of_both_families_is_in_the_way_of_either() -> None:
    with socket.socket(socket.AF_INET6) as both:
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", 0))
        both.listen()
        found = find_holder("tcp", "127.0.0.1", both.getsockname()[1])
    assert found is not None and found.pid == os.getpid()
