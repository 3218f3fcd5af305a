"""The machine that the engine runs on, as clients ask for it."""

from __future__ import annotations

import os
import platform
import shlex

from corral.model.container import Struct


class HostInfo(Struct):
    """Memory in bytes. `runtimes` maps a runtime's name to its (path, version)."""

    id: str = ""
    hostname: str = ""
    kernel: str = ""
    os_name: str = ""
    os_version: str = ""
    architecture: str = ""
    cpus: int = 1
    memory: int = 0
    cgroup_version: int = 2
    cgroup_driver: str = "cgroupfs"
    cgroup_controllers: list[str] = []
    runtimes: dict[str, list[str]] = {}
    default_runtime: str = ""
    security: list[str] = []  # what walls containers off beside namespaces: apparmor, seccomp, cgroupns
    init: str = ""  # the name of the program that --init puts in front
    warnings: list[str] = []
    root: str = ""
    root_fs: str = ""  # the type of the file system that holds it
    user_namespaces: bool = False  # users of containers are not the host's
    own_users: bool = False  # spaces can have users of their own
    recursive_read_only: list[str] = []  # the runtimes that make read-only what is mounted below a read-only mount


def read_host() -> HostInfo:
    """What the kernel and /etc/os-release say; the engine adds runtimes and cgroups."""
    release = parse_os_release(_read("/etc/os-release") or _read("/usr/lib/os-release"))
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    uname = os.uname()
    return HostInfo(
        hostname=uname.nodename,
        kernel=uname.release,
        os_name=release.get("PRETTY_NAME", "Linux"),
        os_version=release.get("VERSION_ID", ""),
        architecture=platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
        memory=pages,
    )


def parse_os_release(text: str) -> dict[str, str]:
    """Pure: os-release(5) as a dictionary.

    >>> parse_os_release('NAME="Debian GNU/Linux"\\nVERSION_ID=12\\n# x\\n')["NAME"]
    'Debian GNU/Linux'
    """
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key: " ".join(shlex.split(value)) for key, _, value in pairs}


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
