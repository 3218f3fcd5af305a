"""Options of `run` that are small languages of their own: ports, mounts, restart policies. All pure."""

from __future__ import annotations

import os

from corral.cli.fail import Failure
from corral.cli.render import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def put(body: dict[str, Any], place: str, value: object) -> None:
    """
    >>> b = {}; put(b, "HostConfig.LogConfig.Type", "none"); b
    {'HostConfig': {'LogConfig': {'Type': 'none'}}}
    """
    *folders, last = place.split(".")
    for folder in folders:
        body = body.setdefault(folder, {})
    body[last] = value


def port_range(words: str, whole: str, what: str = "containerPort") -> tuple[int, int]:
    first, _, last = words.partition("-")
    if not first.isdigit() or not (last or first).isdigit() or not 0 <= int(first) <= int(last or first) <= 65535:
        raise Failure(f"invalid {what}: {whole}", 125)
    return int(first), int(last or first)


def parse_port(words: str) -> list[tuple[str, dict[str, str]]]:
    """One `--publish`: (port/protocol, binding) for each port of its range. Pure.

    >>> parse_port("127.0.0.1:8080:80")
    [('80/tcp', {'HostIp': '127.0.0.1', 'HostPort': '8080'})]
    >>> [key for key, _ in parse_port("53-54/udp")]
    ['53/udp', '54/udp']
    >>> parse_port("[::1]::80")[0][1], parse_port("9000-9001:80")[0][1]
    ({'HostIp': '::1', 'HostPort': ''}, {'HostIp': '', 'HostPort': '9000-9001'})
    """
    rest, _, protocol = words.partition("/")
    rest, _, inside = rest.rpartition(":")
    address, _, outside = rest.rpartition(":") if "]" not in rest or rest[-1] != "]" else (rest, "", "")
    first, last = port_range(inside, inside)
    host_first, host_last = port_range(outside, outside, "hostPort") if outside else (0, 0)
    count = last - first + 1
    if outside and count > 1 and host_last - host_first + 1 != count:
        raise Failure(f"invalid ranges specified for container and host Ports: {inside} and {outside}", 125)
    found = []
    for n in range(count):
        host = outside if count == 1 else str(host_first + n) if outside else ""
        found.append((f"{first + n}/{protocol or 'tcp'}", {"HostIp": address.strip("[]"), "HostPort": host}))
    return found


MOUNT_KEYS: dict[str, str] = {
    "type": "Type",
    "source": "Source",
    "src": "Source",
    "target": "Target",
    "dst": "Target",
    "destination": "Target",
    "consistency": "Consistency",
    "bind-propagation": "BindOptions.Propagation",
    "volume-driver": "VolumeOptions.DriverConfig.Name",
    "volume-subpath": "VolumeOptions.Subpath",
    "image-subpath": "ImageOptions.Subpath",
}


def parse_mount(words: str) -> dict[str, Any]:
    """One `--mount`. Pure.

    >>> parse_mount("type=bind,src=/a,dst=/b,readonly")
    {'Type': 'bind', 'Source': '/a', 'Target': '/b', 'ReadOnly': True}
    """
    mount: dict[str, Any] = {"Type": "volume"}
    for word in words.split(","):
        key, equals, value = word.partition("=")
        key = key.strip().lower()
        if key in ("readonly", "ro"):
            mount["ReadOnly"] = value.lower() in ("", "true", "1")
        elif key == "volume-nocopy":
            put(mount, "VolumeOptions.NoCopy", value.lower() in ("", "true", "1"))
        elif key in ("volume-label", "volume-opt"):
            name, _, content = value.partition("=")
            place = "Labels" if key == "volume-label" else "DriverConfig"
            options = mount.setdefault("VolumeOptions", {}).setdefault(place, {})
            (options if key == "volume-label" else options.setdefault("Options", {}))[name] = content
        elif key == "bind-recursive":
            put(mount, "BindOptions.NonRecursive", value == "disabled")
            put(mount, "BindOptions.ReadOnlyNonRecursive", value == "writable")
            put(mount, "BindOptions.ReadOnlyForceRecursive", value == "readonly")
        elif key == "tmpfs-size":
            put(mount, "TmpfsOptions.SizeBytes", parse_size(value))
        elif key == "tmpfs-mode":
            put(mount, "TmpfsOptions.Mode", int(value, 8))
        elif equals and key in MOUNT_KEYS:
            put(mount, MOUNT_KEYS[key], value)
        else:
            raise Failure(f"invalid argument \"{words}\" for \"--mount\" flag: unexpected key '{key}' in '{word}'", 125)
    if mount["Type"] == "bind" and mount.get("Source", "").startswith("."):
        mount["Source"] = os.path.abspath(mount["Source"])
    return mount


def restart_policy(words: str) -> dict[str, Any]:
    """
    >>> restart_policy("on-failure:3")
    {'Name': 'on-failure', 'MaximumRetryCount': 3}
    """
    name, colon, count = words.partition(":")
    if colon and not count.isdigit():
        raise Failure("invalid restart policy format: maximum retry count must be an integer", 125)
    return {"Name": name, "MaximumRetryCount": int(count or 0)}
