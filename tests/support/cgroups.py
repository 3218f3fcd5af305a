"""A container's limits as the kernel has them, on every kind of host: cgroup v1, v2 and both at once."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PURE_V2 = (ROOT / "cgroup.controllers").exists()


def folder(pid: int, controller: str) -> Path:
    """The directory of the process's group for a v1 controller; on a pure v2 host the controller does not matter."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if PURE_V2 and not names:
            return ROOT / path.lstrip("/")
        if controller in names.split(","):
            mount = next(place for place in (ROOT / names, ROOT / controller) if place.exists())
            return mount / path.lstrip("/")
    raise LookupError(f"process {pid} has no group for {controller}")


def value(pid: int, controller: str, *, v1: str, v2: str) -> str:
    """The content of a limit's file: `v1` and `v2` are its names in the two worlds."""
    return (folder(pid, controller) / (v2 if PURE_V2 else v1)).read_text().strip()


def cpu_weight(shares: int) -> int:
    """cgroup v2's weight for Docker's shares, as the OCI runtimes convert it. Pure.

    >>> cpu_weight(1024), cpu_weight(2), cpu_weight(262144)
    (39, 1, 10000)
    """
    return 1 + ((shares - 2) * 9999) // 262142
