"""What the doctor looks at: read from the kernel and from programs, judged elsewhere."""

from __future__ import annotations

import ctypes
import os
import subprocess
from dataclasses import dataclass, field

from corral.linux.cgroup_layout import Layout
from corral.linux.limits import Limits

MODULES = ("overlay", "bridge", "veth", "nf_tables", "nft_chain_nat", "nft_masq", "br_netfilter")


@dataclass(frozen=True)
class Facts:
    """`modules` says for each kernel module: "there", "loadable", "missing" or "unknown".

    `runtimes` maps names to (path, version). `foreign` is advice about firewalls of others,
    `lingering` are cables of containers that have left, which the kernel did not let go of.
    """

    root: bool = True
    kernel: str = ""
    system: str = ""
    family: str = ""
    layout: Layout = field(default_factory=lambda: Layout("v2", {}))
    limits: Limits = field(default_factory=Limits)
    modules: dict[str, str] = field(default_factory=dict)
    monitor: tuple[str, str] = ("", "")
    runtimes: dict[str, tuple[str, str]] = field(default_factory=dict)
    chosen: str = ""
    reason: str = ""
    init: str = ""
    nftables: bool = True
    state_fs: str = ""
    foreign: list[str] = field(default_factory=list)
    lingering: list[str] = field(default_factory=list)
    systemd: bool = False


def family(release: dict[str, str]) -> str:
    """Which package manager the system has. Pure.

    >>> family({"ID": "ubuntu", "ID_LIKE": "debian"}), family({"ID": "fedora"}), family({"ID": "arch"})
    ('debian', 'fedora', '')
    """
    words = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()
    if "debian" in words or "ubuntu" in words:
        return "debian"
    return "fedora" if {"fedora", "rhel", "centos"} & set(words) else ""


def module_state(name: str, loaded: set[str], listed: str | None) -> str:
    """Pure: `listed` is modules.builtin and modules.dep of this kernel, None if there are none to read.

    >>> module_state("veth", set(), "kernel/drivers/net/veth.ko.xz:"), module_state("x", set(), "")
    ('loadable', 'missing')
    >>> module_state("x", set(), None)
    'unknown'
    """
    if name in loaded:
        return "there"
    if listed is None:
        return "unknown"
    return "loadable" if any(f"/{spelling}.ko" in listed for spelling in (name, name.replace("_", "-"))) else "missing"


def read_modules(release: str) -> dict[str, str]:
    folder = f"/lib/modules/{release}"
    listed: str | None = None
    if os.path.isdir(folder):
        listed = "".join(read(f"{folder}/{name}") for name in ("modules.builtin", "modules.dep"))
    loaded = set(os.listdir("/sys/module"))
    if "\toverlay\n" in read("/proc/filesystems"):
        loaded.add("overlay")
    return {name: module_state(name, loaded, listed) for name in MODULES}


def has_nftables() -> bool:
    try:
        ctypes.CDLL("libnftables.so.1")
    except OSError:
        return False
    return True


def output(*command: str) -> str:
    """What a program prints, "" if there is none or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def read(path: str) -> str:
    """A file's text, "" if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
