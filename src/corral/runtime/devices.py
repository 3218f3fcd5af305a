"""Devices: which of the host's devices a container sees, and which it may use."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from corral.errors import InvalidInput
from corral.model.container import Device


@dataclass(frozen=True)
class ResolvedDevice:
    """`path` is inside the container; `type` is "c" or "b"; `mode` has the permission bits.

    `source` is the file on the host, "" where that has the same path.
    """

    path: str
    type: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    permissions: str = "rwm"
    source: str = ""


# Those that every container may use; the runtime makes their files. 10:229 is fuse.
_DEFAULT_RULES: tuple[tuple[bool, int, int], ...] = (
    (True, 1, 5),
    (True, 1, 3),
    (True, 1, 9),
    (True, 1, 8),
    (True, 5, 0),
    (True, 5, 1),
    (False, 10, 229),
)

_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")


def plan_device_rules(
    devices: Iterable[ResolvedDevice], rules: Sequence[str], *, privileged: bool
) -> list[dict[str, Any]]:
    """Pure: OCI's linux.resources.devices. InvalidInput for a rule that is none.

    >>> plan_device_rules([], [], privileged=True)
    [{'allow': True, 'access': 'rwm'}]
    >>> mine = [ResolvedDevice("/dev/x", "c", 7, 3, permissions="r")]
    >>> plan_device_rules(mine, ["c 42:* rwm"], privileged=False)[-2:][0]
    {'allow': True, 'type': 'c', 'major': 7, 'minor': 3, 'access': 'r'}
    """
    parsed = [parse_rule(rule) for rule in rules]
    if privileged:
        return [{"allow": True, "access": "rwm"}]
    base: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    for allow, major, minor in _DEFAULT_RULES:
        base.append({"allow": allow, "type": "c", "major": major, "minor": minor, "access": "rwm"})
    for device in devices:
        base.append(
            {
                **{"allow": True, "type": device.type, "major": device.major, "minor": device.minor},
                "access": device.permissions,
            }
        )
    return base + parsed


def parse_rule(text: str) -> dict[str, Any]:
    """Pure: "c 42:* rwm" as an OCI rule; a star is a missing number.

    >>> parse_rule("a 1:2")
    Traceback (most recent call last):
    corral.errors.InvalidInput: invalid device cgroup rule format: 'a 1:2'
    """
    found = _RULE.fullmatch(text)
    if not found:
        raise InvalidInput(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = found.groups()
    numbers = {name: int(value) for name, value in (("major", major), ("minor", minor)) if value != "*"}
    return {"allow": True, "type": kind, **numbers, "access": access}


def plan_device(device: ResolvedDevice) -> dict[str, Any]:
    """Pure: OCI's entry of linux.devices."""
    return {
        **{"path": device.path, "type": device.type, "major": device.major, "minor": device.minor},
        **{"fileMode": device.mode, "uid": device.uid, "gid": device.gid},
    }


def resolve_devices(wanted: Sequence[Device], *, privileged: bool, devfs: str = "/dev") -> list[ResolvedDevice]:
    """The devices of a container, as the host has them now. Privileged: all of the host's, too.

    A wanted path may be a device, a link to one, or a directory of devices. InvalidInput where there is none.
    """
    found = {d.path: d for d in host_devices(devfs)} if privileged else {}
    for device in wanted:
        for resolved in _resolve(device):
            found[resolved.path] = resolved
    return list(found.values())


def _resolve(device: Device) -> list[ResolvedDevice]:
    complaint = f'error gathering device information while adding custom device "{device.host_path}"'
    real = os.path.realpath(device.host_path)
    inside = device.path or device.host_path
    try:
        status = os.stat(real)
    except OSError as error:
        raise InvalidInput(f"{complaint}: {(error.strerror or '').lower()}") from error
    one = _described(status, inside, device.permissions)
    if one is not None:
        return [replace(one, source=real if real != inside else "")]
    many = list(_walk(real, inside, device.permissions)) if stat.S_ISDIR(status.st_mode) else []
    if not many:
        raise InvalidInput(f"{complaint}: not a device node")
    return many


def _walk(directory: str, inside: str, permissions: str) -> Iterable[ResolvedDevice]:
    for parent, _, names in os.walk(directory):
        for name in sorted(names):
            path = f"{parent}/{name}"
            found = _described(os.lstat(path), inside.rstrip("/") + path.removeprefix(directory), permissions)
            if found is not None:
                yield replace(found, source=path if path != found.path else "")


def _described(status: os.stat_result, path: str, permissions: str) -> ResolvedDevice | None:
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    if not kind:
        return None
    return ResolvedDevice(
        path,
        kind,
        os.major(status.st_rdev),
        os.minor(status.st_rdev),
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        permissions or "rwm",
    )


_OWN = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"}  # each container has its own of these


def host_devices(devfs: str = "/dev") -> list[ResolvedDevice]:
    """All devices of the host, except those that every container has of its own."""
    found: list[ResolvedDevice] = []
    for parent, directories, names in os.walk(devfs):
        directories[:] = sorted(name for name in directories if name not in _OWN)
        for name in sorted(names):
            if name == "console":
                continue
            try:
                described = _described(os.lstat(f"{parent}/{name}"), f"/dev{parent.removeprefix(devfs)}/{name}", "rwm")
            except FileNotFoundError:  # unplugged meanwhile
                continue
            if described is not None:
                found.append(described)
    return found


def device_number(path: str) -> tuple[int, int]:
    """(major, minor) of a block device that a limit names. InvalidInput where it is none."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidInput(f"stat {path}: {(error.strerror or '').lower()}") from error
    return os.major(status.st_rdev), os.minor(status.st_rdev)
