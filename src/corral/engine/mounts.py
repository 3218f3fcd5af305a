"""Which mounts a container gets: from other containers, from the user, and anonymous volumes for the rest."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from corral.errors import InvalidInput, from_oserror
from corral.linux.selinux import plan_label
from corral.model.container import Container, ContainerSpec, Mount, MountPoint, Security
from corral.runtime.mounts import check_propagation, parse_mountinfo


def plan_mount_points(
    spec: ContainerSpec, others: Sequence[tuple[Container, bool]], new_name: Callable[[], str]
) -> list[MountPoint]:
    """Pure: the mounts of a new container, at most one for each target, sorted by target.

    What the user gave wins over `volumes_from` (`others`: container, and whether only to read); both win over the
    image's anonymous volumes. `new_name` gives names for anonymous volumes. A volume's `source` is filled in when
    the volume has been made.

    >>> spec = ContainerSpec("x", mounts=[Mount("volume", "/data", "db")], volumes=["/data", "/log"])
    >>> [(p.target, p.name, p.anonymous) for p in plan_mount_points(spec, [], lambda: "f00d")]
    [('/data', 'db', False), ('/log', 'f00d', True)]
    """
    points: dict[str, MountPoint] = {}
    for container, read_only in others:
        for point in container.mount_points:
            points[point.target] = replace(point, read_write=point.read_write and not read_only, inherited=True)
    for mount in spec.mounts:
        points[clean(mount.target)] = _point(mount, new_name)
    covered = {*points, *map(clean, spec.tmpfs)}
    for target in map(_rooted, spec.volumes):
        if target not in covered:
            points[target] = MountPoint("volume", "", target, name=new_name(), driver="local", anonymous=True)
    return [points[target] for target in sorted(points)]


def split_from(text: str) -> tuple[str, bool]:
    """Pure: "NAME[:MODE]" of volumes-from as the name, and whether only to read. InvalidInput for another mode.

    >>> split_from("db"), split_from("db:ro,z")
    (('db', False), ('db', True))
    """
    ref, _, mode = text.partition(":")
    words = mode.split(",") if mode else []
    kinds = ["label" if word in ("z", "Z") else "access" for word in words if word in ("ro", "rw", "z", "Z")]
    if not ref:
        raise InvalidInput("volumes-from specification cannot be an empty string")
    if len(kinds) != len(words) or len(set(kinds)) != len(kinds):
        raise InvalidInput(f"invalid mode: {mode}")
    return ref, "ro" in words


def clean(target: str) -> str:
    """Pure: an absolute, normal path. InvalidInput for one that is not absolute, or is the root.

    >>> clean("/a//b/../c/")
    '/a/c'
    """
    path = posixpath.normpath("/" + target.lstrip("/"))
    if not target.startswith("/"):
        raise InvalidInput(f"invalid mount path: '{target}' mount path must be absolute")
    if path == "/":
        raise InvalidInput("invalid specification: destination can't be '/'")
    return path


def _rooted(volume: str) -> str:
    """Pure: where an anonymous volume goes. `data` is meant from the root; what has a colon was to be more than a place
    (a client takes the one letter of `v:/data` for a drive, not for a volume's name).

    >>> _rooted("data"), _rooted("/data/")
    ('/data', '/data')
    """
    return clean(volume if ":" in volume else posixpath.join("/", volume))


def _point(mount: Mount, new_name: Callable[[], str]) -> MountPoint:
    target, anonymous = clean(mount.target), mount.type == "volume" and not mount.source
    point = MountPoint(mount.type, "", target, mode=mount.mode, read_write=not mount.read_only, spec=mount)
    if mount.type == "volume":
        name = mount.source or new_name()
        return replace(point, name=name, driver="local", anonymous=anonymous, mode=mount.mode or "z")
    if mount.type == "bind":
        return replace(point, source=posixpath.normpath(mount.source), propagation=mount.propagation or "rprivate")
    return replace(point, source=mount.source, read_write=mount.type != "image" and not mount.read_only)


def plan_propagation(point: MountPoint, ours: Sequence[str], mounts: Mapping[str, str]) -> MountPoint:
    """Pure: a bind mount that shows directories of `ours` follows what is mounted and unmounted there.

    Otherwise it would keep the file systems of all the containers that run when it is made. Only where nothing else
    was asked for, and the host can.

    `mounts`: what those of the host share (`parse_mountinfo`).

    >>> shared = {"/": "shared:1"}
    >>> host, data = MountPoint("bind", "/", "/host", propagation="rprivate"), MountPoint("bind", "/srv", "/srv")
    >>> [plan_propagation(point, ["/run/corral"], shared).propagation for point in (host, data)]
    ['rslave', '']
    >>> plan_propagation(host, ["/run/corral"], {"/": ""}).propagation
    'rprivate'
    """
    asked = point.type != "bind" or (point.spec is not None and point.spec.propagation)
    if asked or not any(posixpath.commonpath([point.source, own]) in (point.source, own) for own in ours):
        return point
    try:
        check_propagation(point.source, "rslave", mounts)
    except InvalidInput:
        return point
    return replace(point, propagation="rslave")


def plan_pinned(point: MountPoint, directory: bool) -> bool:
    """Pure: whether a bind's source is first mounted by ourselves: a part of it, or it alone without what is mounted
    below. crun (seen with 1.8.1) takes what is below in any case.

    >>> alone = Mount("bind", "/t", "/s", non_recursive=True)
    >>> plan_pinned(MountPoint("bind", "/s", "/t", spec=alone), True), plan_pinned(MountPoint("bind", "/s", "/t"), True)
    (True, False)
    """
    spec = point.spec
    return spec is not None and bool(spec.subpath or (spec.non_recursive and directory))


def require_propagation(point: MountPoint) -> None:
    """InvalidInput when what holds a bind source cannot share mounts with the container as it was asked to."""
    if point.type == "bind" and point.propagation not in ("", "private", "rprivate"):
        check_propagation(os.path.realpath(point.source), point.propagation, read_mounts())


def read_mounts() -> dict[str, str]:
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        return parse_mountinfo(file.read())


def check_bind_source(point: MountPoint) -> bool:
    """Whether a bind source is missing, and to be made by who needs it first. InvalidInput in the long form."""
    if point.type != "bind" or os.path.exists(point.source):
        return False
    if point.spec is not None and not point.spec.short and not point.spec.create_source:
        raise InvalidInput(f'invalid mount config for type "bind": bind source path does not exist: {point.source}')
    return True


def ensure_bind_source(point: MountPoint, owner: tuple[int, int] | None = None) -> None:
    """Makes a missing bind source a directory, as the short form promises; InvalidInput in the long form.

    It then belongs to `owner`, the container's root where that is not the host's.
    """
    if not check_bind_source(point):
        return
    try:
        os.makedirs(point.source, exist_ok=True)
        if owner:
            os.chown(point.source, *owner)
    except OSError as error:
        raise from_oserror(
            f"error while creating mount source path '{point.source}': mkdir {point.source}", error
        ) from error


def plan_tmpfs_mount(mount: Mount) -> str:
    """Pure: the option text of a tmpfs given in the long form.

    >>> plan_tmpfs_mount(Mount("tmpfs", "/t", tmpfs_size=4096, tmpfs_mode=0o1770, read_only=True))
    'size=4096,mode=1770,ro'
    """
    parts = [f"size={mount.tmpfs_size}"] if mount.tmpfs_size else []
    parts += [f"mode={mount.tmpfs_mode:o}"] if mount.tmpfs_mode is not None else []
    parts += ["=".join(option) for option in mount.tmpfs_options]
    parts += ["ro"] if mount.read_only else []
    return ",".join(parts)


def plan_file_label(point: MountPoint, security: Security, id: str, *, selinux: bool) -> str:
    """Pure: the SELinux label that a mount's files get, "" where they keep theirs. A host without SELinux takes `z` and
    `Z` and has nothing to do; containers without confinement may use the files as they are.

    >>> shared = MountPoint("bind", "/srv", "/data", mode="z")
    >>> plan_file_label(shared, Security(), "c0ffee", selinux=True)
    'system_u:object_r:container_file_t:s0'
    >>> plan_file_label(shared, Security(), "c0ffee", selinux=False)
    ''
    """
    if not selinux or security.privileged or "disable" in security.labels or point.type not in ("bind", "volume"):
        return ""
    return plan_label(point.mode, id)
