"""What the plan of a bundle is made from: all that had to be looked up, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral.linux.idmap import IdMap
from corral.linux.limits import Limits
from corral.model.container import Container
from corral.runtime.devices import ResolvedDevice
from corral.runtime.users import ResolvedUser


@dataclass(frozen=True)
class BundleMount:
    """One mount in OCI's words: `options` as the runtime takes them."""

    source: str
    target: str
    type: str
    options: Sequence[str] = ()


@dataclass(frozen=True)
class BundleInput:
    """One container's process and its walls.

    `args` is what is executed, without an init program: `init` is the host path of one, "" for none.
    `namespaces` maps a kind ("mount", "pid", "ipc", "uts", "cgroup", "network", "user") to "" for a new one or to
    the path of one to join; a missing kind is the host's. `cgroup_path` is relative to each hierarchy's mount.
    `cgroup_version` is 1 or 2, `swap` whether the kernel counts swap. `seccomp` is OCI's (see `seccomp.py`), None
    for no filter.
    """

    container: Container
    rootfs: str
    user: ResolvedUser
    args: Sequence[str]
    env: Sequence[str]
    cwd: str
    hostname: str
    cgroup_path: str
    cgroup_version: int
    namespaces: Mapping[str, str | None]
    limits: Limits
    mounts: Sequence[BundleMount] = ()
    uid_map: Sequence[IdMap] = ()
    gid_map: Sequence[IdMap] = ()
    console_size: Sequence[int] = ()
    devices: Sequence[ResolvedDevice] = ()
    seccomp: Mapping[str, Any] | None = None
    default_sysctls: Mapping[str, str] = field(default_factory=dict)
    apparmor: str = ""
    init: str = ""
    swap: bool = True
