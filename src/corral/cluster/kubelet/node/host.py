"""What this machine is: read once."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from corral.engine.engine import Engine
from corral.engine.host import HostInfo

LOOPBACK: Final = "127.0.0.1"
_ELSEWHERE: Final = {4: (socket.AF_INET, "192.0.2.1"), 6: (socket.AF_INET6, "2001:db8::1")}  # for documents: nobody
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


class Handler(NamedTuple):
    """An OCI runtime by the name that a RuntimeClass has for it, "" for the one without a class.

    `recursive`: it makes read-only what is mounted below a read-only mount; `users`: pods have users of their own.
    """

    name: str
    recursive: bool
    users: bool


@dataclass(frozen=True)
class Machine:
    """Sizes in bytes."""

    name: str
    cpus: int
    memory: int
    disk: int
    architecture: str
    kernel: str
    system: str
    machine_id: str
    boot_id: str
    addresses: tuple[str, ...]
    handlers: tuple[Handler, ...] = ()


def plan_handlers(host: HostInfo) -> tuple[Handler, ...]:
    """Pure.

    >>> host = HostInfo(runtimes={"runc": [], "crun": []}, default_runtime="crun", recursive_read_only=["runc"])
    >>> [(one.name, one.recursive) for one in plan_handlers(host)]
    [('', False), ('crun', False), ('runc', True)]
    """
    named = {"": host.default_runtime} | {name: name for name in sorted(host.runtimes)}
    return tuple(Handler(shown, name in host.recursive_read_only, host.own_users) for shown, name in named.items())


def read_machine(engine: Engine, name: str, addresses: tuple[str, ...], families: Sequence[int] = (4,)) -> Machine:
    """`addresses`: the node's, none for those that the machine goes out by, in the order of `families`."""
    stat = os.statvfs(engine.config.root)
    return Machine(
        name=name,
        cpus=os.cpu_count() or 1,
        memory=_memory(),
        disk=stat.f_frsize * stat.f_blocks,
        architecture=ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        system=_system(),
        machine_id=_read("/etc/machine-id") or engine.host.id.replace("-", "")[:32],
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        addresses=addresses or own_addresses(families),
        handlers=plan_handlers(engine.host),
    )


def own_addresses(families: Sequence[int] = (4,), server: str = "") -> tuple[str, ...]:
    """The addresses that this machine goes out by, one of each family that it has. Where it has no way out by any of
    them, that of the other family (a node has an address), else that by which it goes to the host `server`, else the
    loopback's. Nothing is sent."""
    found = [own_address(version) for version in families]
    others = [own_address(version) for version in (4, 6) if version not in families]
    towards = [own_address(version, server) for version in (4, 6) if server]
    return next((kept for some in (found, others, towards) if (kept := tuple(filter(None, some)))), (LOOPBACK,))


def own_address(version: int = 4, far: str = "") -> str:
    """By which this machine goes to the host `far`, or out; "" where there is no way.

    >>> own_address(4, "127.0.0.1"), own_address(6, "127.0.0.1")
    ('127.0.0.1', '')
    """
    family, elsewhere = _ELSEWHERE[version]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far or elsewhere, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _memory() -> int:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 1 << 30


def _system() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""
