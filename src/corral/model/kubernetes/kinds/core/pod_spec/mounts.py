"""The volumes and devices that a container mounts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, local_path
from corral.model.kubernetes.kinds.core.pod_spec.scope import is_privileged
from corral.model.kubernetes.kinds.fields import flag, has, indexed, objects, text
from corral.model.kubernetes.problems import forbidden, invalid, not_found, not_supported, required

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")
_ONE_SOURCE = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"


def check_mounts(container: Object, path: str, volumes: Mapping[str, Object]) -> Problems:
    """
    >>> [str(one) for one in check_mounts({"volumeMounts": [{"name": "a", "mountPath": "/a"}]}, "volumeMounts", {})]
    ['volumeMounts[0].name: Not found: "a"']
    """
    devices = {text(one, "name"): text(one, "devicePath") for one in objects(container, "volumeDevices")}
    seen: set[str] = set()
    for at, mount in indexed(container, "volumeMounts", path):
        name, where = text(mount, "name"), text(mount, "mountPath")
        if not name:
            yield required(f"{at}.name")
        if name not in volumes:
            yield not_found(f"{at}.name", name)
        if not where:
            yield required(f"{at}.mountPath")
        if where in seen:
            yield invalid(f"{at}.mountPath", where, "must be unique")
        seen.add(where)
        if name in devices:
            yield invalid(f"{at}.name", name, "must not already exist in volumeDevices")
        if where in devices.values():
            yield invalid(f"{at}.mountPath", where, "must not already exist as a path in volumeDevices")
        yield from _sub_paths(mount, at, path)
        yield from _propagation(mount, container, f"{path}.mountPropagation")
        yield from _recursive(mount, f"{path}.recursiveReadOnly")


def _sub_paths(mount: Object, at: str, path: str) -> Problems:
    sub, expression = text(mount, "subPath"), text(mount, "subPathExpr")
    if sub:
        yield from local_path(sub, f"{path}.subPath")
    if expression:
        if sub:
            yield invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
        yield from local_path(expression, f"{path}.subPathExpr")


def _propagation(mount: Object, container: Object, path: str) -> Problems:
    found = mount.get("mountPropagation")
    if found is None:
        return
    if found not in _PROPAGATIONS:
        yield not_supported(path, found, _PROPAGATIONS)
    if found == "Bidirectional" and not is_privileged(container):
        yield forbidden(path, "Bidirectional mount propagation is available only to privileged containers")


def _recursive(mount: Object, path: str) -> Problems:
    found = mount.get("recursiveReadOnly")
    if found is None or found == "Disabled":
        return
    if found not in _RECURSIVE:
        yield not_supported(path, found, _RECURSIVE)
        return
    if not flag(mount, "readOnly"):
        yield forbidden(path, "may only be specified when readOnly is true")
    if has(mount, "mountPropagation") and mount["mountPropagation"] != "None":
        yield forbidden(path, "may only be specified when mountPropagation is None or not specified")


def check_devices(container: Object, path: str, volumes: Mapping[str, Object]) -> Problems:
    mounts = {text(one, "name"): text(one, "mountPath") for one in objects(container, "volumeMounts")}
    paths: set[str] = set()
    seen: set[str] = set()
    for at, device in indexed(container, "volumeDevices", path):
        name, where = text(device, "name"), text(device, "devicePath")
        if not name:
            yield required(f"{at}.name")
        if name in seen:
            yield invalid(f"{at}.name", name, "must be unique")
        yield from _device_volume(name, at, volumes)
        if not where:
            yield required(f"{at}.devicePath")
        if where in paths:
            yield invalid(f"{at}.devicePath", where, "must be unique")
        if ".." in where.split("/"):
            yield invalid(f"{at}.devicePath", where, "can not contain backsteps ('..')")
        paths.add(where)
        if name in mounts:
            yield invalid(f"{at}.name", name, "must not already exist in volumeMounts")
        if where in mounts.values():
            yield invalid(f"{at}.devicePath", where, "must not already exist as a path in volumeMounts")
        seen.add(name)


def _device_volume(name: str, at: str, volumes: Mapping[str, Object]) -> Problems:
    volume = volumes.get(name)
    if volume is None:
        yield not_found(f"{at}.name", name)
    elif not (has(volume, "persistentVolumeClaim") or has(volume, "ephemeral")):
        yield invalid(f"{at}.name", name, _ONE_SOURCE)
