"""Ports for those that have to be told theirs before they listen."""

from __future__ import annotations

import random
import socket

# Below those that the kernel gives to whoever connects somewhere (from 32768 on) and those of Kubernetes' services
# (from 30000 on): between the choice and its use nobody gets it by chance.
CHOICE = range(20_000, 28_000)


def free_port() -> int:
    """One that nobody listens on, at any address."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """As many, all different.

    >>> set(free_ports(2)) <= set(CHOICE), len(set(free_ports(2)))
    (True, 2)
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(CHOICE, len(CHOICE)):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            found.append(port)
    return found
