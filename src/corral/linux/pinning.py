"""Namespaces that no process keeps: each is mounted on a file, and lives until that is unmounted."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Mapping

from corral.errors import HostError, from_oserror
from corral.linux import libc, mounts
from corral.linux.idmap import IdMaps, unshared
from corral.linux.namespaces import in_thread

FLAGS = {"net": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000}
_SIOCSIFFLAGS = 0x8914
_LOOPBACK_UP = struct.pack("16sh14x", b"lo", 1 | 64)


def pin(places: Mapping[str, str], *, hostname: str = "", sysctls: Mapping[str, str] | None = None) -> None:
    """New namespaces of the kinds "net", "ipc" and "uts", each mounted on the file that is named for it.

    The loopback is up, and the parameters (by their names with dots) are set. What fails leaves nothing mounted.
    """
    made: list[str] = []

    def work() -> None:
        flags = 0
        for kind in places:
            flags |= FLAGS[kind]
        if libc.unshare(flags) != 0:
            raise libc.failure("create namespaces")
        if "net" in places:
            _loopback_up()
        if "uts" in places and hostname:
            socket.sethostname(hostname)
        for name, value in (sysctls or {}).items():
            _set(name, value)
        for kind, path in places.items():
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o400))
            mounts.bind(f"/proc/thread-self/ns/{kind}", path)
            made.append(path)

    try:
        in_thread(work)
    except OSError as error:
        _unpin(made)
        raise from_oserror("make namespaces", error) from error
    except BaseException:
        _unpin(made)
        raise


def pin_mapped(
    places: Mapping[str, str], maps: IdMaps, *, hostname: str = "", sysctls: Mapping[str, str] | None = None
) -> None:
    """As `pin`, but that the namespaces belong to a new user namespace with these maps: the kind "user"."""
    made: list[str] = []
    flags = sum(FLAGS[kind] for kind in places if kind != "user")
    try:
        with unshared(maps, flags) as pid:
            for kind, path in places.items():
                os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o400))
                mounts.bind(f"/proc/{pid}/ns/{kind}", path)
                made.append(path)
        in_thread(lambda: _furnish(places, hostname, sysctls or {}))
    except OSError as error:
        _unpin(made)
        raise from_oserror("make namespaces", error) from error
    except BaseException:
        _unpin(made)
        raise


def _furnish(places: Mapping[str, str], hostname: str, sysctls: Mapping[str, str]) -> None:
    """Enters them, in a thread that is nobody else's, and sets what they are to have."""
    for kind, path in places.items():
        if kind == "user":
            continue
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(fd, FLAGS[kind]) != 0:
                raise libc.failure(f"enter {kind} namespace")
        finally:
            os.close(fd)
    if "net" in places:
        _loopback_up()
    if "uts" in places and hostname:
        socket.sethostname(hostname)
    for name, value in sysctls.items():
        _set(name, value)


def _unpin(paths: list[str]) -> None:
    for path in paths:
        mounts.unmount(path, lazy=True)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as handle:
        fcntl.ioctl(handle, _SIOCSIFFLAGS, _LOOPBACK_UP)


def _set(name: str, value: str) -> None:
    """HostError names the parameter that cannot be set."""
    path = f"/proc/sys/{name.replace('.', '/')}"
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise HostError(f"set sysctl {name} to {value!r}: {reason}", error.errno) from error
