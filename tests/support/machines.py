"""Other machines, as far as the network goes: each a network namespace with a cable to this one.

Names and addresses are each caller's own, whoever else runs tests on this machine at the same time.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """`host`: our address at its cable, `address` its own. `entrance`: nsenter's word for going there."""

    name: str
    host: str
    address: str
    number: int

    @property
    def services(self) -> str:
        """Addresses for services of a cluster that it joins."""
        return f"10.221.{self.number}.0/24"

    @property
    def entrance(self) -> str:
        return f"--net=/run/netns/{self.name}"


@contextmanager
def own_number() -> Iterator[int]:
    """One of 128 that nobody else on this machine has meanwhile: of a network 10.222.N.0/24 or fd00:222:N::/64."""
    with socket.socket(socket.AF_UNIX) as held:
        for number in range(128):
            try:
                held.bind(f"\0corral-tests-network-{number}")
            except OSError:
                continue
            yield number
            return
        raise AssertionError("all 128 networks are taken: do that many tests run?")


@contextmanager
def machine() -> Iterator[Machine]:
    """This host -- machine."""
    with own_number() as number:
        made = Machine(f"crm{number}-{os.getpid()}", f"10.222.{number}.1", f"10.222.{number}.2", number)
        with _namespaces(made.name):
            _ip(f"link add {made.name} type veth peer eth0 netns {made.name}")
            _ip(f"addr add {made.host}/24 dev {made.name}")
            _ip(f"link set {made.name} up")
            _ip(f"-n {made.name} addr add {made.address}/24 dev eth0")
            for link in ("eth0", "lo"):
                _ip(f"-n {made.name} link set {link} up")
            _ip(f"-n {made.name} route add default via {made.host}")
            _leave_to_others(made)
            yield made


@contextmanager
def far_machine(family: int = 4) -> Iterator[Machine]:
    """This host -- router -- machine, on two networks."""
    with ExitStack() as stack:
        numbers = [stack.enter_context(own_number()) for _ in range(2)]
        near, far = (f"10.222.{one}." if family == 4 else f"fd00:222:{one:x}::" for one in numbers)
        prefix = "24" if family == 4 else "64 nodad"
        end = f"{numbers[0]}-{os.getpid()}"
        router, made = f"crr{end}", Machine(f"crf{end}", f"{near}1", f"{far}2", numbers[0])
        stack.enter_context(_namespaces(router, made.name))
        _ip(f"link add {router} type veth peer eth0 netns {router}")
        _ip(f"link add eth0 netns {made.name} type veth peer eth1 netns {router}")
        _ip(f"addr add {made.host}/{prefix} dev {router}")
        _ip(f"link set {router} up")
        _ip(f"-n {router} addr add {near}254/{prefix} dev eth0")
        _ip(f"-n {router} addr add {far}254/{prefix} dev eth1")
        _ip(f"-n {made.name} addr add {made.address}/{prefix} dev eth0")
        for name, link in ((router, "eth0"), (router, "eth1"), (router, "lo"), (made.name, "eth0"), (made.name, "lo")):
            _ip(f"-n {name} link set {link} up")
        _ip(f"-n {made.name} route add default via {far}254")
        _ip(f"route add {made.address} via {near}254")
        files = "/proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"
        forward = ["nsenter", f"--net=/run/netns/{router}", "sh", "-c", f"echo 1 | tee {files}"]
        subprocess.run(forward, check=True)
        _leave_to_others(made)
        yield made


def _leave_to_others(made: Machine) -> None:
    """A node there takes the first subnet of pods that it has no way to: not one that other tests' nodes, of clusters
    that know nothing of this one, take at the same moment. This host is asked for ways to all of them."""
    _ip(f"-n {made.name} route add 10.244.0.0/18 dev lo")
    _ip(f"-n {made.name} route add fd00:10:244::/58 dev lo")
    for one in range(64, 64 + made.number):
        _ip(f"-n {made.name} route add 10.244.{one}.0/24 dev lo")
        _ip(f"-n {made.name} route add fd00:10:244:{one:x}::/64 dev lo")


@contextmanager
def _namespaces(*names: str) -> Iterator[None]:
    """They go with their ends of cables; ours is called as the one at its other end."""
    try:
        for name in names:
            _ip(f"netns add {name}")
        yield
    finally:
        for name in names:
            for words in (("link", "delete", name), ("netns", "delete", name)):
                subprocess.run(["ip", *words], check=False, capture_output=True)


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, capture_output=True)
