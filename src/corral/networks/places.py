"""A container's places in its networks: their order, their names, and which of them leads out. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from corral.model.container import Endpoint, EndpointSpec, NetworkSpec

DEFAULT = "bridge"
NO_NAME = "is no name for an interface: at most 15 characters, no slash or space"


def plan_order(spec: NetworkSpec) -> list[tuple[str, EndpointSpec]]:
    """The networks to join, in this order: the main one first, then by the alphabet. Their interfaces count up so.

    Where networks are named, the main one is joined only if it is among them.

    >>> spec = NetworkSpec("shop", {"back": EndpointSpec(), "shop": EndpointSpec(ipv4="10.0.0.9"), "a": EndpointSpec()})
    >>> [name for name, _ in plan_order(spec)]
    ['shop', 'a', 'back']
    >>> plan_order(NetworkSpec())[0][0]
    'bridge'
    """
    main = plain(spec.mode)
    asked = {plain(name): how for name, how in spec.endpoints.items()} or {main: EndpointSpec()}
    return sorted(asked.items(), key=lambda item: (item[0] != main, item[0]))


def plain(name: str) -> str:
    """
    >>> plain("default"), plain("shop")
    ('bridge', 'shop')
    """
    return DEFAULT if name in ("", "default") else name


def is_interface_name(name: str) -> bool:
    """
    >>> [is_interface_name(name) for name in ("eth0", "", "a/b", "a b", "..", "quite-a-long-one", "äääääääää")]
    [True, False, False, False, False, False, False]
    """
    return 0 < len(os.fsencode(name)) <= 15 and name not in (".", "..") and not re.search(r"[/:\s]", name)


def plan_interface(prefix: str, taken: Collection[str]) -> str:
    """
    >>> plan_interface("eth", ["eth0", "eth2"])
    'eth1'
    """
    return next(f"{prefix}{n}" for n in range(len(taken) + 1) if f"{prefix}{n}" not in taken)


@dataclass(frozen=True)
class Ways:
    """The networks through which a container reaches the rest of the world; "" for a family that has none."""

    ipv4: str = ""
    ipv6: str = ""

    def of(self, version: int) -> str:
        return self.ipv4 if version == 4 else self.ipv6


def plan_ways(endpoints: Mapping[str, Endpoint]) -> Ways:
    """For each family the place with a gateway and the highest priority; among equals the first by name.

    >>> back = Endpoint("back", "", "", ipv4="10.1.0.2", gateway="10.1.0.1")
    >>> front = Endpoint("front", "", "", ipv4="10.2.0.2", gateway="10.2.0.1", gateway6="fd00::1", priority=1)
    >>> plan_ways({"back": back, "front": front})
    Ways(ipv4='front', ipv6='front')
    """
    ordered = sorted(endpoints.items(), key=lambda item: (-item[1].priority, item[0]))
    outward = [(name, end) for name, end in ordered if not end.internal]
    return Ways(
        next((name for name, end in outward if end.gateway), ""),
        next((name for name, end in outward if end.gateway6), ""),
    )


def plan_names(container: str, id: str, hostname: str, aliases: Iterable[str], domainname: str = "") -> list[str]:
    """What a container is called in a network of its own: its name, its aliases, the short id, its host name.

    >>> plan_names("web", "0123456789abcdef", "web", ["www"])
    ['web', 'www', '0123456789ab']
    """
    full = f"{hostname}.{domainname}" if domainname else ""
    return [name for name in dict.fromkeys([container, *aliases, id[:12], hostname, full]) if name]
