"""What may be asked of a volume, and how its options become a mount: decisions only, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from corral.errors import InvalidInput, NotFound, Unsupported
from corral.linux import mounts

ANONYMOUS_LABEL = "com.docker.volume.anonymous"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_ALLOWED = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
_OPTIONS = ("type", "o", "device", "size")
_NEEDED = {"device": ("type",), "type": ("device",), "o": ("device", "type")}


def check_name(name: str) -> None:
    """Raises InvalidInput, in Docker's words, unless `name` can be a volume's (and a directory's).

    >>> check_name("data_1.old")
    """
    if len(name) == 1:
        raise InvalidInput(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"create {name}: {json.dumps(name)} includes invalid characters for a local volume name, only "
            f'"{_ALLOWED}" are allowed. If you intended to pass a host directory, use absolute path'
        )


def check_driver(name: str, driver: str) -> None:
    """Raises NotFound for a driver that is not there."""
    if driver != "local":
        raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')


def check_options(name: str, options: Mapping[str, str]) -> None:
    """Raises InvalidInput or Unsupported for options that the local driver does not take."""
    for option in options:
        if option not in _OPTIONS:
            raise InvalidInput(f'create {name}: invalid option: "{option}"')
    if "size" in options:
        raise Unsupported(f"create {name}: quota size requested but no quota support")
    for option, others in _NEEDED.items():
        for other in others if option in options else ():
            if other not in options:
                raise InvalidInput(f'create {name}: missing required option: "{other}"')


class MountPlan(NamedTuple):
    """The arguments of mount(2), and of a second and third one that some flags need."""

    source: str
    fstype: str
    flags: int
    data: str
    read_only_bind: bool = False
    propagation: int = 0


_SET = {
    "ro": mounts.MS_RDONLY, "nosuid": mounts.MS_NOSUID, "nodev": mounts.MS_NODEV, "noexec": mounts.MS_NOEXEC,
    "sync": 16, "remount": mounts.MS_REMOUNT, "mand": 64, "dirsync": 128, "noatime": mounts.MS_NOATIME,
    "nodiratime": 2048, "bind": mounts.MS_BIND, "rbind": mounts.MS_BIND | mounts.MS_REC,
    "relatime": mounts.MS_RELATIME, "strictatime": 1 << 24,
}  # fmt: skip
_CLEAR = {
    "rw": mounts.MS_RDONLY, "suid": mounts.MS_NOSUID, "dev": mounts.MS_NODEV, "exec": mounts.MS_NOEXEC, "async": 16,
    "nomand": 64, "atime": mounts.MS_NOATIME, "diratime": 2048, "norelatime": mounts.MS_RELATIME,
    "nostrictatime": 1 << 24, "defaults": 0,
}  # fmt: skip
_PROPAGATION = {
    "private": mounts.MS_PRIVATE, "shared": mounts.MS_SHARED, "slave": mounts.MS_SLAVE,
    "unbindable": mounts.MS_UNBINDABLE,
}  # fmt: skip
_PROPAGATION |= {f"r{name}": flag | mounts.MS_REC for name, flag in _PROPAGATION.items()}


def plan_mount(options: Mapping[str, str], resolve: Callable[[str], str] = lambda host: host) -> MountPlan | None:
    """Pure: how to mount a volume with these options; None for a plain directory.

    `resolve` gives the address of a host name (the kernel's NFS and CIFS take addresses only).

    >>> plan_mount({"type": "tmpfs", "device": "tmpfs", "o": "size=100m,nodev,ro"})
    MountPlan(source='tmpfs', fstype='tmpfs', flags=5, data='size=100m', read_only_bind=False, propagation=0)
    >>> plan_mount({"type": "nfs", "device": ":/data", "o": "addr=nas,rw"}, lambda host: "10.0.0.9").data
    'addr=10.0.0.9'
    """
    device, fstype = options.get("device", ""), options.get("type", "")
    if not device and not fstype:
        return None
    flags, propagation, data = 0, 0, []
    for option in filter(None, options.get("o", "").split(",")):
        if option in _SET:
            flags |= _SET[option]
        elif option in _CLEAR:
            flags &= ~_CLEAR[option]
        elif option in _PROPAGATION:
            propagation |= _PROPAGATION[option]
        elif option.startswith("addr=") and fstype in ("nfs", "nfs4", "cifs"):
            data.append("addr=" + resolve(option.removeprefix("addr=")))
        else:
            data.append(option)
    read_only_bind = bool(flags & mounts.MS_BIND and flags & mounts.MS_RDONLY)
    return MountPlan(device, fstype, flags, ",".join(data), read_only_bind, propagation)


def hide_password(text: str) -> str:
    """Pure: a message without the password of a CIFS mount.

    >>> hide_password("data: user=a,password=hunter2,addr=1.2.3.4: permission denied")
    'data: user=a,password=********,addr=1.2.3.4: permission denied'
    """
    return re.sub(r"(pass(?:word)?=)[^,\s]*?(?=,|:? |$)", r"\1********", text)
