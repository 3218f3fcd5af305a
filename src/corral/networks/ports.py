"""Published ports: which of the host's ports lead to a container's. Pure.

A port of the host is a `Key`: protocol, address and number. "0.0.0.0" and "::" are all addresses of a family.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain
from typing import NamedTuple

from corral.errors import InvalidInput
from corral.model.container import BoundPort, PortBinding

ANY4, ANY6 = "0.0.0.0", "::"


class Key(NamedTuple):
    protocol: str
    host_ip: str
    host_port: int

    @property
    def text(self) -> str:
        """
        >>> Key("tcp", "::", 80).text
        '[::]:80'
        """
        return f"[{self.host_ip}]:{self.host_port}" if ":" in self.host_ip else f"{self.host_ip}:{self.host_port}"


@dataclass(frozen=True)
class Wanted:
    """One binding made definite: the same number on each of `host_ips`, the first of `numbers` that is free.

    `numbers` are ranges to go through in turn (thirty thousand ports are not worth a list).
    `lenient` addresses are left out where the host does not have them.
    """

    port: int
    protocol: str
    host_ips: tuple[str, ...]
    numbers: tuple[range, ...]
    lenient: frozenset[str] = frozenset()


def choice(binding: PortBinding) -> int:
    """Pure: how much choice there is beyond one number: who has least choice comes first, or others take what it needs.

    >>> any_one, eighty, few = PortBinding(80), PortBinding(80, host_port=80), PortBinding(80, host_port=1)
    >>> few.host_port_end = 5
    >>> [binding.host_port for binding in sorted([any_one, few, eighty], key=choice)]
    [80, 1, 0]
    """
    return max(binding.host_port_end - binding.host_port, 0) if binding.host_port else 1 << 16


BOTH = frozenset({4, 6})


def families_of(*, ipv4: bool, ipv6: bool, nat4: bool = True, nat6: bool = True) -> frozenset[int]:
    """The families of the host's addresses on which a container's ports can be published. One that has no IPv6 is
    reached from there by a relay.

    >>> sorted(families_of(ipv4=True, ipv6=False)), sorted(families_of(ipv4=True, ipv6=True, nat6=False))
    ([4, 6], [4])
    """
    found = {4} if ipv4 and nat4 else set()
    if nat6 if ipv6 else found:
        found.add(6)
    return frozenset(found)


def plan_binding(
    binding: PortBinding, ephemeral: range, last: int = 0, *, families: frozenset[int] = BOTH, host_ip: str = ""
) -> Wanted:
    """Without an address it is `host_ip`, else all of the families; those that are not of the families are left out.
    Without a number it is the next of `ephemeral` after `last`.

    >>> wanted = plan_binding(PortBinding(80), range(32768, 32771), last=32769)
    >>> wanted.host_ips, wanted.numbers
    (('0.0.0.0', '::'), (range(32770, 32771), range(32768, 32770)))
    >>> plan_binding(PortBinding(80, host_ip="::1", host_port=1, host_port_end=3), range(0)).numbers
    (range(1, 4),)
    >>> plan_binding(PortBinding(80, "sctp"), range(1, 9), families=frozenset({4})).host_ips
    ('0.0.0.0',)
    """
    asked = binding.host_ip or host_ip
    if asked:
        try:
            address = ip_address(asked)
        except ValueError:
            raise InvalidInput(f"invalid host address {asked!r} of published port {binding.port}") from None
        ips: tuple[str, ...] = (str(address),) if address.version in families else ()
    else:
        ips = tuple(ip for ip, version in ((ANY4, 4), (ANY6, 6)) if version in families)
    numbers = _after(ephemeral, last)
    if binding.host_port:
        numbers = (range(binding.host_port, max(binding.host_port, binding.host_port_end) + 1),)
    lenient = frozenset() if asked else frozenset({ANY6})
    return Wanted(binding.port, binding.protocol, ips, numbers, lenient)


def _after(ephemeral: range, last: int) -> tuple[range, ...]:
    cut = last + 1 - ephemeral.start if last in ephemeral else 0
    return tuple(part for part in (ephemeral[cut:], ephemeral[:cut]) if part)


def clash(key: Key, taken: Collection[Key]) -> Key | None:
    """What takes a port already: the same address, all of its family, or any one when all are wanted; None if free.

    >>> clash(Key("tcp", "0.0.0.0", 80), {Key("tcp", "127.0.0.1", 80)}).text, clash(Key("udp", "::", 80), set())
    ('127.0.0.1:80', None)
    """
    every = family(key.host_ip)
    if key.host_ip != every:
        return next((k for k in (key, Key(key.protocol, every, key.host_port)) if k in taken), None)
    same = (t for t in taken if t.host_port == key.host_port and t.protocol == key.protocol)
    return next((t for t in same if family(t.host_ip) == every), None)


def family(host_ip: str) -> str:
    """The address that means all addresses of its family."""
    return ANY6 if ":" in host_ip else ANY4


def free_numbers(wanted: Wanted, taken: Collection[Key]) -> Iterator[int]:
    """Those that no container of this instance has on any of the addresses."""
    for number in chain.from_iterable(wanted.numbers):
        if all(clash(Key(wanted.protocol, ip, number), taken) is None for ip in wanted.host_ips):
            yield number


def key_of(port: BoundPort) -> Key:
    return Key(port.protocol, port.host_ip, port.host_port)


def parse_range(text: str) -> range:
    """/proc/sys/net/ipv4/ip_local_port_range.

    >>> parse_range("32768\\t60999\\n")
    range(32768, 61000)
    """
    first, last = text.split()
    return range(int(first), int(last) + 1)
