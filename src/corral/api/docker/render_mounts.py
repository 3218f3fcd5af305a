"""Mounts as they were asked for, back in the two forms of the API."""

from __future__ import annotations

from typing import Any

from corral.model.container import Mount

Json = dict[str, Any]


def bind_text(mount: Mount) -> str:
    """
    >>> bind_text(Mount("bind", "/data", "/srv", mode="ro")), bind_text(Mount("volume", "/data"))
    ('/srv:/data:ro', '/data')
    """
    return ":".join(part for part in (mount.source, mount.target, mount.mode) if part)


def mount(mount: Mount) -> Json:
    """The long form; fields that say nothing are left out.

    >>> mount(Mount("bind", "/data", "/srv", propagation="rslave"))
    {'Type': 'bind', 'Source': '/srv', 'Target': '/data', 'BindOptions': {'Propagation': 'rslave'}}
    """
    return spare(
        {
            "Type": mount.type,
            "Source": mount.source,
            "Target": mount.target,
            "ReadOnly": mount.read_only,
            "Consistency": mount.consistency,
            "BindOptions": _bind(mount),
            "VolumeOptions": _volume(mount) if mount.type == "volume" else {},
            "ImageOptions": spare({"Subpath": mount.subpath}) if mount.type == "image" else {},
            "TmpfsOptions": _tmpfs(mount),
        }
    )


def spare(fields: Json) -> Json:
    """Pure: without the fields that are zero or empty."""
    return {name: value for name, value in fields.items() if value}


def _bind(mount: Mount) -> Json:
    return spare(
        {
            "Propagation": mount.propagation,
            "NonRecursive": mount.non_recursive,
            "CreateMountpoint": mount.create_source,
            "ReadOnlyNonRecursive": mount.read_only_non_recursive,
            "ReadOnlyForceRecursive": mount.read_only_force_recursive,
        }
    )


def _volume(mount: Mount) -> Json:
    driver = spare({"Name": mount.volume_driver, "Options": mount.volume_driver_options})
    return spare(
        {
            "NoCopy": mount.no_copy,
            "Labels": mount.volume_labels,
            "Subpath": mount.subpath,
            "DriverConfig": driver,
        }
    )


def _tmpfs(mount: Mount) -> Json:
    return spare({"SizeBytes": mount.tmpfs_size, "Mode": mount.tmpfs_mode, "Options": mount.tmpfs_options})
