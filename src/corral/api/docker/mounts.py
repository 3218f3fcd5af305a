"""Mounts in their two forms: SOURCE:TARGET[:OPTIONS] (Binds), and the long form with a field for everything."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Literal, cast

from corral.api.docker import settings
from corral.api.docker.volume_options import check_tmpfs_options, check_volume_driver, is_local_path
from corral.errors import InvalidInput, Unsupported
from corral.model.container import Mount

PROPAGATIONS = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
# Each word of a short form's options, and the kind of which only one may be given.
MODES = (
    {word: "access" for word in ("rw", "ro")}
    | {word: "label" for word in ("z", "Z")}
    | {word: "propagation" for word in PROPAGATIONS}
    | {"nocopy": "copy"}
    | {word: "consistency" for word in ("consistent", "cached", "delegated")}
)


# Which options belong to which type; a foreign one is an error.
FOREIGN = {
    "bind": ("VolumeOptions", "ImageOptions"),
    "volume": ("BindOptions", "ImageOptions"),
    "tmpfs": ("BindOptions", "ImageOptions"),
    "image": ("BindOptions", "VolumeOptions"),
}


def is_mode(text: str) -> bool:
    """Pure: options of the short form, at most one of each kind.

    >>> is_mode("ro,z,rslave"), is_mode("ro,rw"), is_mode("fast"), is_mode("")
    (True, False, False, True)
    """
    words = text.split(",") if text else []
    kinds = [MODES.get(word, "") for word in words]
    return "" not in kinds and len(set(kinds)) == len(kinds)


def check_target(target: str) -> None:
    """A place inside the container: absolute, and not its root."""
    if posixpath.normpath(target.replace("\\", "/")) in ("/", "//"):
        raise InvalidInput("invalid specification: destination can't be '/'")
    if not target.replace("\\", "/").startswith("/"):
        raise InvalidInput(f"invalid mount path: '{target}' mount path must be absolute")


def parse_bind(text: str) -> Mount:
    """Pure: the short form. InvalidInput where it is none.

    >>> parse_bind("/srv:/data:ro,rslave").propagation, parse_bind("db:/data").type
    ('rslave', 'volume')
    >>> parse_bind("/srv").type, parse_bind("/srv").target
    ('volume', '/srv')
    >>> parse_bind("/srv:/data:fast")
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid mode: fast
    """
    words, invalid = text.split(":", 3), f"invalid volume specification: '{text}'"
    if not words[0] or len(words) > 3 or (len(words) == 2 and is_mode(words[1])):
        raise InvalidInput(invalid)
    source, target, mode = ["", words[0], ""] if len(words) == 1 else [*words, ""][:3]
    if not is_mode(mode):
        raise InvalidInput(f"invalid mode: {mode}")
    kind = "bind" if source.startswith("/") else "volume"
    options = mode.split(",")
    propagation = next((word for word in options if word in PROPAGATIONS), "")
    try:
        _check_fields(kind, source, target, "ro" in options)
        foreign = "VolumeOptions" if kind == "bind" and "nocopy" in options else "BindOptions" if propagation else ""
        if foreign in FOREIGN[kind]:
            raise InvalidInput(f'invalid mount config for type "{kind}": field {foreign} must not be specified')
    except InvalidInput as error:
        raise InvalidInput(f"{invalid}: {error.message}") from None
    return Mount(
        "bind" if kind == "bind" else "volume",
        target,
        source,
        read_only="ro" in options,
        short=True,
        mode=mode,
        propagation=propagation,
        no_copy="nocopy" in options,
    )


def _check_fields(kind: str, source: str, target: str, read_only: bool) -> None:
    """What holds for both forms."""
    try:
        if not target:
            raise InvalidInput("field Target must not be empty")
        check_target(target)
        if kind in ("bind", "image") and not source:
            raise InvalidInput("field Source must not be empty")
        if kind == "bind" and not source.replace("\\", "/").startswith("/"):
            raise InvalidInput(f"invalid mount path: '{source}' mount path must be absolute")
        if kind == "volume" and read_only and not source:
            raise InvalidInput("must not set ReadOnly mode when using anonymous volumes")
        if kind == "tmpfs" and source:
            raise InvalidInput("field Source must not be specified")
        if kind in ("npipe", "cluster"):
            raise Unsupported(f'mount type "{kind}" is not offered')
        if kind not in ("bind", "volume", "tmpfs", "image"):
            raise InvalidInput("mount type unknown")
    except InvalidInput as error:
        raise type(error)(f'invalid mount config for type "{kind}": {error.message}') from None


def check_mount(mount: settings.Mount, exists: Callable[[str], bool]) -> None:
    """The long form's own checks. InvalidInput names the type and the field."""
    _check_fields(mount.Type, mount.Source, mount.Target, mount.ReadOnly)
    try:
        for field in FOREIGN[mount.Type]:
            if getattr(mount, field) is not None:
                raise InvalidInput(f"field {field} must not be specified")
        _check_options(mount)
        created = mount.BindOptions is not None and mount.BindOptions.CreateMountpoint
        if mount.Type == "bind" and not created and not exists(mount.Source):
            raise InvalidInput(f"bind source path does not exist: {mount.Source}")
    except InvalidInput as error:
        raise type(error)(f'invalid mount config for type "{mount.Type}": {error.message}') from None


def _check_options(mount: settings.Mount) -> None:
    bind, volume, image = mount.BindOptions, mount.VolumeOptions, mount.ImageOptions
    if bind and bind.Propagation and bind.Propagation not in PROPAGATIONS:
        raise InvalidInput(f"invalid propagation mode: {bind.Propagation}")
    for field in ("ReadOnlyNonRecursive", "ReadOnlyForceRecursive"):
        if bind and getattr(bind, field) and not mount.ReadOnly:
            raise InvalidInput(f"mount options conflict: !ReadOnly && BindOptions.{field}")
    if bind and bind.ReadOnlyForceRecursive and bind.ReadOnlyNonRecursive:
        raise InvalidInput("ReadOnlyForceRecursive and ReadOnlyNonRecursive cannot both be set")
    subpath = (volume and volume.Subpath) or (image and image.Subpath) or ""
    if subpath and mount.Type == "volume" and not mount.Source:
        raise InvalidInput("must not set Subpath when using anonymous volumes")
    if subpath and not is_local_path(subpath):
        raise InvalidInput("subpath must be a relative path within the volume")
    if volume and volume.DriverConfig:
        check_volume_driver(volume.DriverConfig.Name, mount.Source)
    check_tmpfs_options(mount.TmpfsOptions)


def mounts_of(host: settings.HostConfig, *, shallow: bool = False) -> list[Mount]:
    """Both forms, in the order given, no two for one place. InvalidInput "Duplicate mount point: …".

    `shallow`: a read-only bind leaves the mounts below it as they are (so before API 1.44).
    """
    mounts = [parse_bind(text) for text in host.Binds] + [_translate(mount) for mount in host.Mounts]
    taken = {posixpath.normpath(target) for target in host.Tmpfs}
    for mount in mounts:
        if shallow and mount.type == "bind" and mount.read_only:
            mount.read_only_non_recursive = True
        place = posixpath.normpath(mount.target)
        if place in taken:
            raise InvalidInput(f"Duplicate mount point: {place if mount.short else mount.target}")
        taken.add(place)
    return mounts


def tmpfs_of(host: settings.HostConfig) -> dict[str, str]:
    """The short form of tmpfs: place -> options."""
    return dict(host.Tmpfs)


def _translate(mount: settings.Mount) -> Mount:
    kind = cast(Literal["bind", "volume", "tmpfs", "image"], mount.Type)  # checked before
    result = Mount(kind, mount.Target, mount.Source, read_only=mount.ReadOnly, consistency=mount.Consistency)
    if bind := mount.BindOptions:
        result.propagation = bind.Propagation
        result.non_recursive = bind.NonRecursive
        result.create_source = bind.CreateMountpoint
        result.read_only_non_recursive = bind.ReadOnlyNonRecursive
        result.read_only_force_recursive = bind.ReadOnlyForceRecursive
    if volume := mount.VolumeOptions:
        result.no_copy, result.subpath, result.volume_labels = volume.NoCopy, volume.Subpath, volume.Labels
        if volume.DriverConfig:
            result.volume_driver = volume.DriverConfig.Name
            result.volume_driver_options = volume.DriverConfig.Options
    if image := mount.ImageOptions:
        result.subpath = image.Subpath
    if tmpfs := mount.TmpfsOptions:
        result.tmpfs_size, result.tmpfs_options = tmpfs.SizeBytes, tmpfs.Options
        result.tmpfs_mode = tmpfs.Mode or None
    return result
