"""The Container Device Interface: what a device's description adds to a container (CNCF CDI, 0.3 to 1.0)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import yaml

from corral.cluster.kubelet.errors import CannotStart
from corral.model.container import ContainerSpec, Device, Hook, Mount

Object = dict[str, Any]

ENDINGS: Final = (".json", ".yaml", ".yml")
HOOKS: Final = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


class UnknownDevice(CannotStart):
    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerError", f"CDI device injection failed: {message}")


def read_descriptions(folders: Sequence[str]) -> dict[str, Object]:
    """All devices by their full names (vendor/class=name): each with the edits that all of its kind get, and its own.

    A file that makes no sense, and a name that two files of one folder have, describe nothing.
    """
    found: dict[str, Object] = {}
    for folder in folders:
        here: dict[str, Object] = {}
        twice: set[str] = set()
        for name in sorted(_listed(folder)):
            for full, one in _described(f"{folder}/{name}").items():
                twice |= {full} & here.keys()
                here[full] = one
        found |= {full: one for full, one in here.items() if full not in twice}
        for full in twice:
            found.pop(full, None)
    return found


def _listed(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(ENDINGS)]
    except OSError:
        return []


def _described(path: str) -> dict[str, Object]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return describe(json.loads(text) if path.endswith(".json") else yaml.safe_load(text))
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}


def describe(file: Object) -> dict[str, Object]:
    """Pure: the devices of one file.

    >>> own, general = {"env": ["A=1"]}, {"env": ["B=2"]}
    >>> describe({"kind": "v.org/gpu", "devices": [{"name": "x", "containerEdits": own}], "containerEdits": general})
    {'v.org/gpu=x': {'kind': 'v.org/gpu', 'general': {'env': ['B=2']}, 'own': {'env': ['A=1']}}}
    """
    kind, general = file["kind"], file.get("containerEdits") or {}
    return {
        f"{kind}={one['name']}": {"kind": kind, "general": general, "own": one.get("containerEdits") or {}}
        for one in file.get("devices") or ()
    }


def plan_edits(names: Iterable[str], known: Mapping[str, Object]) -> list[Object]:
    """Pure: what is changed for these devices, the general part of each kind once. UnknownDevice.

    >>> one = {"kind": "k", "general": {"env": ["B=2"]}, "own": {}}
    >>> plan_edits(["k=x", "k=x", "k=y"], {"k=x": one, "k=y": {**one, "own": {"env": ["C=3"]}}})
    [{}, {'env': ['C=3']}, {'env': ['B=2']}]
    >>> plan_edits(["k=z"], {})
    Traceback (most recent call last):
    corral.cluster.kubelet.devices.cdi.UnknownDevice: CDI device injection failed: unresolvable CDI devices k=z
    """
    wanted = list(dict.fromkeys(names))
    if missing := [name for name in wanted if name not in known]:
        raise UnknownDevice(f"unresolvable CDI devices {', '.join(missing)}")
    general = {known[name]["kind"]: known[name]["general"] for name in wanted}
    return [*(known[name]["own"] for name in wanted), *general.values()]


def with_edits(spec: ContainerSpec, edits: Iterable[Object]) -> ContainerSpec:
    """Pure: the container with what its devices add. A copy.

    >>> node = {"path": "/dev/x", "hostPath": "/dev/null", "permissions": "rw"}
    >>> made = with_edits(ContainerSpec(image="x", env=["A=1", "B=1"]), [{"env": ["A=2"], "deviceNodes": [node]}])
    >>> made.env, made.devices[0].host_path, made.devices[0].permissions
    (['B=1', 'A=2'], '/dev/null', 'rw')
    """
    env, devices, mounts = list(spec.env), list(spec.devices), list(spec.mounts)
    hooks, groups = list(spec.hooks), list(spec.groups)
    for one in edits:
        for text in one.get("env") or ():
            env = [known for known in env if known.partition("=")[0] != text.partition("=")[0]] + [text]
        devices += [_device(node) for node in one.get("deviceNodes") or ()]
        mounts += [_mount(each) for each in one.get("mounts") or ()]
        hooks += [_hook(each) for each in one.get("hooks") or ()]
        groups += [str(group) for group in one.get("additionalGids") or () if group]
        if one.get("intelRdt"):
            raise UnknownDevice("intelRdt is not offered by this node")
    copy = {name: getattr(spec, name) for name in spec.__struct_fields__}
    changed = {"env": env, "devices": devices, "mounts": mounts, "hooks": hooks, "groups": list(dict.fromkeys(groups))}
    return ContainerSpec(**(copy | changed))


def _device(node: Object) -> Device:
    return Device(node.get("hostPath") or node["path"], node["path"], node.get("permissions") or "rwm")


def _mount(one: Object) -> Mount:
    """Binds alone: what else a mount may be needs no device."""
    options = one.get("options") or []
    if one.get("type") == "tmpfs":
        return Mount("tmpfs", one["containerPath"])
    propagation = next((option for option in options if option.lstrip("r") in ("private", "shared", "slave")), "")
    return Mount("bind", one["containerPath"], one["hostPath"], read_only="ro" in options, propagation=propagation)


def _hook(one: Object) -> Hook:
    name = one["hookName"]
    if name not in HOOKS:
        raise UnknownDevice(f"invalid hook name {json.dumps(name)}")
    return Hook(name, one["path"], one.get("args") or [], one.get("env") or [], int(one.get("timeout") or 0))
