"""What this machine is: read once."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass

from corral.engine.engine import Engine

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


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


def read_machine(engine: Engine, name: str, addresses: tuple[str, ...]) -> Machine:
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
        addresses=addresses or (own_address(),),
    )


def own_address() -> str:
    """The address that this machine goes out by; the loopback's where it has no way out. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


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
