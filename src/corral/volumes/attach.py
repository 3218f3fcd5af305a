"""Making a volume's data available: mounting what its options name, finding a part of it. Blocking functions."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress

from corral.errors import CorralError, HostError, InvalidInput, NotFound, from_oserror
from corral.linux import mounts
from corral.linux.rooted import open_beneath
from corral.model.volume import Volume
from corral.volumes.plan import hide_password, plan_mount


def attach(volume: Volume) -> None:
    """Mounts a volume that has mount options; one that is mounted already is fine. HostError in Docker's words."""
    try:
        plan = plan_mount(volume.options, _address)
    except HostError as error:
        raise HostError(f"error while mounting volume '{volume.mountpoint}': {error.message}") from error
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


def reach(volume: Volume) -> None:
    """Returns once what is mounted answers, however long that takes. HostError if it never will."""
    try:
        os.stat(volume.mountpoint)
    except OSError as error:
        raise from_oserror(f"error while using volume '{volume.mountpoint}'", error) from error


def _address(host: str) -> str:
    """One of IPv4 where the name has one, as Docker chooses."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])
    except socket.gaierror as error:
        reason = "no such host" if error.errno == socket.EAI_NONAME else (error.strerror or "").lower()
        raise HostError(f"error resolving passed in network volume address: lookup {host}: {reason}") from error


def pin(base: str, subpath: str, place: str, *, recursive: bool = True) -> None:
    """Shows `subpath` of the volume at `base` at `place`, which is made; a link that leads out is refused.

    `recursive`: with what is mounted below.

    A path would not do: whoever has the volume could put a link into it between our look and the runtime's mount.
    InvalidInput, NotFound, HostError.
    """
    fd = open_part(base, subpath)
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.mkdir(place, 0o700)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        mounts.bind(f"/proc/self/fd/{fd}", place, recursive=recursive)
    finally:
        os.close(fd)


def open_part(base: str, subpath: str) -> int:
    """A descriptor (O_PATH) of what `subpath` of a volume is. InvalidInput, NotFound in Docker's words."""
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise InvalidInput(f'subpath "{subpath}" must be a relative path within the volume {base}')
    root = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return open_beneath(root, subpath, os.O_PATH)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise InvalidInput(
                f"path concatenation escapes the base directory, base: {base}, subpath: {subpath}"
            ) from None
        raise NotFound(f"cannot access path {base}/{subpath}: {(error.strerror or '').lower()}") from error
    finally:
        os.close(root)


def unpin(place: str) -> None:
    """The place goes; what was shown there stays. May be called again."""
    mounts.unmount(place, lazy=True)
    with suppress(FileNotFoundError):
        (os.rmdir if os.path.isdir(place) else os.unlink)(place)
