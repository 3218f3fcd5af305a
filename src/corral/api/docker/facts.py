"""What the checks of a request need to know of the host."""

from __future__ import annotations

import os

from msgspec import Struct

from corral.engine.host import HostInfo, forwards
from corral.errors import InvalidInput

SHIM = "io.containerd.runc.v2"  # how dockerd and containerd call runc when they are asked for it by its shim


class Facts(Struct):
    """`cpus` and `memory_nodes` are the numbers of those that may be used; `runtimes` the names that are known;
    `forwarding` whether the host passes IPv4 packets on.
    """

    cpus: tuple[int, ...] = (0,)
    memory_nodes: tuple[int, ...] = (0,)
    cgroup_version: int = 2
    controllers: tuple[str, ...] = ("cpu", "cpuset", "memory", "io", "pids")
    runtimes: tuple[str, ...] = ("crun", "runc")
    forwarding: bool = True

    def has(self, *controllers: str) -> bool:
        """True where any of these cgroup controllers is there.

        >>> Facts(controllers=("blkio",)).has("io", "blkio"), Facts(controllers=("blkio",)).has("memory")
        (True, False)
        """
        return any(name in self.controllers for name in controllers)

    def runtime_name(self, wanted: str) -> str:
        """The runtime's own name; "" stays the engine's choice. InvalidInput in dockerd's words for a strange one.

        >>> Facts().runtime_name("io.containerd.runc.v2")
        'runc'
        """
        name = "runc" if wanted == SHIM else wanted
        if name and name not in self.runtimes:
            raise InvalidInput(f"unknown or invalid runtime name: {wanted}")
        return name


def facts_of(host: HostInfo) -> Facts:
    """The facts as the engine found them."""
    return Facts(
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        memory_nodes=_online_nodes(),
        cgroup_version=host.cgroup_version,
        controllers=tuple(host.cgroup_controllers) or Facts().controllers,
        runtimes=tuple(host.runtimes),
        forwarding=forwards(),
    )


def _online_nodes() -> tuple[int, ...]:
    try:
        with open("/sys/devices/system/node/online") as file:
            return tuple(sorted(parse_number_list(file.read().strip())))
    except (OSError, ValueError):
        return (0,)


def parse_number_list(text: str) -> set[int]:
    """Pure: the numbers of a list like the kernel's. ValueError where it is none.

    >>> sorted(parse_number_list("0-2,5"))
    [0, 1, 2, 5]
    """
    numbers: set[int] = set()
    for part in text.split(",") if text else []:
        first, dash, last = part.partition("-")
        if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
            raise ValueError(f"invalid format: {text}")
        low, high = int(first), int(last or first)
        if high < low or high > 1 << 16:
            raise ValueError(f"invalid format: {text}")
        numbers.update(range(low, high + 1))
    return numbers
