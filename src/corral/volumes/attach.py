"""Making a volume's data available: mounting what its options name, finding a part of it. Blocking functions."""

from __future__ import annotations

import os
import socket

from corral.errors import CorralError, HostError
from corral.linux import mounts
from corral.linux.rooted import open_in_root
from corral.model.volume import Volume
from corral.volumes.plan import hide_password, plan_mount


def attach(volume: Volume) -> None:
    """Mounts a volume that has mount options; one that is mounted already is fine. HostError in Docker's words."""
    plan = plan_mount(volume.options, _address)
    if plan is None or mounts.is_mount(volume.mountpoint):
        return
    try:
        mounts.mount(plan.source, volume.mountpoint, plan.fstype, plan.flags, plan.data)
        if plan.read_only_bind:
            mounts.mount("", volume.mountpoint, "", plan.flags | mounts.MS_REMOUNT)
        if plan.propagation:
            mounts.mount("", volume.mountpoint, "", plan.propagation)
    except CorralError as error:
        mounts.unmount(volume.mountpoint)
        reason = os.strerror(error.errno).lower() if isinstance(error, HostError) and error.errno else error.message
        flags = (f", flags: {plan.flags:#x}" if plan.flags else "") + (f", data: {plan.data}" if plan.data else "")
        text = hide_password(f"mount {plan.source}:{volume.mountpoint}{flags}: {reason}")
        raise HostError(
            f"error while mounting volume '{volume.mountpoint}': failed to mount local volume: {text}",
            error.errno if isinstance(error, HostError) else None,
        ) from None


def _address(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None)[0][4][0])
    except OSError as error:
        raise HostError(f"error resolving passed in network volume address: {host}: {error}") from error


def resolve(base: str, subpath: str) -> str:
    """The real path of `subpath` inside `base`; links cannot lead out. OSError if it is not there."""
    root = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_in_root(root, subpath, os.O_PATH)
    finally:
        os.close(root)
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
