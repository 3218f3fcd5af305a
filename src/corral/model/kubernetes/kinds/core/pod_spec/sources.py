"""The sources of volumes that pods and PersistentVolumes share. Pure.

Each check takes the source and its path. Those of storage that only old clusters mount are checked as far as users
notice: fields that must be there.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import (
    Problems,
    dns_label,
    dns_subdomain,
    each,
    local_path,
    need,
    without_steps_up,
)
from corral.model.kubernetes.kinds.fields import flag, has, number, text, values
from corral.model.kubernetes.problems import invalid, not_supported, required, too_long

Check = Callable[[Object, str], Problems]

_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_IQN = re.compile(r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9.-]+)(:[^,;*&$|\s]+)$")
_EUI = re.compile(r"eui\.[a-zA-Z0-9]{16}$")
_NAA = re.compile(r"naa\.[a-zA-Z0-9]{32}$")
_INITIATORS = {"iqn": _IQN, "eui": _EUI, "naa": _NAA}
_PARTITION = "must be between 0 and 255, inclusive"


def host_path(found: Object, path: str) -> Problems:
    """
    >>> [one.detail for one in host_path({"path": "/a/../b", "type": ""}, "hostPath")]
    ["must not contain '..'"]
    """
    yield from need(found, path, "path")
    yield from without_steps_up(text(found, "path"), f"{path}.path")
    if has(found, "type") and found["type"] not in _HOST_PATH_TYPES:
        yield not_supported(f"{path}.type", found["type"], _HOST_PATH_TYPES)


def nfs(found: Object, path: str) -> Problems:
    yield from need(found, path, "server", "path")
    if not text(found, "path").startswith("/"):
        yield invalid(f"{path}.path", text(found, "path"), "must be an absolute path")


def git_repo(found: Object, path: str) -> Problems:
    yield from need(found, path, "repository")
    yield from local_path(text(found, "directory"), f"{path}.directory")


def iscsi(found: Object, path: str) -> Problems:
    yield from need(found, path, "targetPortal")
    if iqn := text(found, "iqn"):
        yield from _initiator(iqn, f"{path}.iqn")
    else:
        yield required(f"{path}.iqn")
    yield from each(f"{path}.lun", number(found, "lun"), names.in_range(number(found, "lun"), 0, 255))
    if (flag(found, "chapAuthDiscovery") or flag(found, "chapAuthSession")) and not has(found, "secretRef"):
        yield required(f"{path}.secretRef")
    if has(found, "initiatorName"):
        yield from _initiator(text(found, "initiatorName"), f"{path}.initiatorname")


def _initiator(value: str, path: str) -> Problems:
    pattern = _INITIATORS.get(value[:3])
    if pattern is None:
        yield invalid(path, value, "must be valid format starting with iqn, eui, or naa")
    elif not pattern.match(value):
        yield invalid(path, value, "must be valid format")


def fc(found: Object, path: str) -> Problems:
    targets, wwids = values(found, "targetWWNs"), values(found, "wwids")
    if not targets and not wwids:
        yield required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if targets and wwids:
        yield invalid(f"{path}.targetWWNs", targets, "targetWWNs and wwids can not be specified simultaneously")
    if targets and not has(found, "lun"):
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif targets:
        yield from each(f"{path}.lun", number(found, "lun"), names.in_range(number(found, "lun"), 0, 255))


def _disk(key: str) -> Check:
    def check(found: Object, path: str) -> Problems:
        yield from need(found, path, key)
        if not 0 <= number(found, "partition") <= 255:
            yield invalid(f"{path}.partition", number(found, "partition"), _PARTITION)

    return check


def _needing(*keys: str) -> Check:
    def check(found: Object, path: str) -> Problems:
        return need(found, path, *keys)

    return check


def azure_disk(found: Object, path: str) -> Problems:
    yield from need(found, path, "diskName", "diskURI")
    for key, allowed in (
        ("cachingMode", ("None", "ReadOnly", "ReadWrite")),
        ("kind", ("Dedicated", "Managed", "Shared")),
    ):
        if has(found, key) and found[key] not in allowed:
            yield not_supported(f"{path}.{key}", found[key], allowed)


def portworx(found: Object, path: str) -> Problems:
    return need(found, path, "volumeID")


def flocker(found: Object, path: str) -> Problems:
    name, uuid = text(found, "datasetName"), text(found, "datasetUUID")
    if not name and not uuid:
        yield required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        yield invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield invalid(f"{path}.datasetName", name, "must not contain '/'")


def quobyte(found: Object, path: str) -> Problems:
    if not (registry := text(found, "registry")):
        yield required(f"{path}.registry", "must be a host:port pair or multiple pairs separated by commas")
    elif any(pair.count(":") != 1 for pair in registry.split(",")):
        yield invalid(f"{path}.registry", registry, "must be a host:port pair or multiple pairs separated by commas")
    yield from need(found, path, "volume")


def storage_os(found: Object, path: str) -> Problems:
    for key in ("volumeName", "volumeNamespace"):
        if value := text(found, key):
            yield from each(f"{path}.{key}", value, dns_label(value))
        elif key == "volumeName":
            yield required(f"{path}.{key}")


def scale_io(found: Object, path: str) -> Problems:
    return need(found, path, "gateway", "system", "volumeName")


def csi_driver_name(name: str, path: str) -> Problems:
    if not name:
        yield required(path)
    if len(name) > 63:
        yield too_long(path, 63)
    yield from each(path, name, dns_subdomain(name.lower()))


def csi(found: Object, path: str) -> Problems:
    """An inline volume of a CSI driver."""
    yield from csi_driver_name(text(found, "driver"), f"{path}.driver")
    if isinstance(found.get("nodePublishSecretRef"), dict):
        if name := text(found["nodePublishSecretRef"], "name"):
            yield from each(f"{path}.name", name, dns_subdomain(name))
        else:
            yield required(f"{path}.nodePublishSecretRef.name")


def csi_persistent(found: Object, path: str) -> Problems:
    yield from csi_driver_name(text(found, "driver"), f"{path}.driver")
    yield from need(found, path, "volumeHandle")
    for key in (
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ):
        if isinstance(found.get(key), dict):
            for field, check in (("name", dns_subdomain), ("namespace", dns_label)):
                if value := text(found[key], field):
                    yield from each(f"{path}.{key}.{field}", value, check(value))
                else:
                    yield required(f"{path}.{key}.{field}")


def local(found: Object, path: str) -> Problems:
    if not (where := text(found, "path")):
        yield required(f"{path}.path")
    else:
        yield from without_steps_up(where, f"{path}.path")


# In the order in which upstream looks at them.
SHARED: dict[str, Check] = {
    "gcePersistentDisk": _disk("pdName"),
    "awsElasticBlockStore": _disk("volumeID"),
    "hostPath": host_path,
    "glusterfs": _needing("endpoints", "path"),
    "flocker": flocker,
    "nfs": nfs,
    "rbd": _needing("monitors", "image"),
    "quobyte": quobyte,
    "cephfs": _needing("monitors"),
    "iscsi": iscsi,
    "cinder": _needing("volumeID"),
    "fc": fc,
    "flexVolume": _needing("driver"),
    "azureFile": _needing("secretName", "shareName"),
    "vsphereVolume": _needing("volumePath"),
    "photonPersistentDisk": _needing("pdID"),
    "portworxVolume": portworx,
    "azureDisk": azure_disk,
    "scaleIO": scale_io,
    "storageos": storage_os,
}
# Paths in problems that differ from the field's name, upstream.
SHOWN = {"gcePersistentDisk": "persistentDisk"}
