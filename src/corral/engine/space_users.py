"""Users of a space: a range of the host's ids that nobody else has, and a view of the images with those ids."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd

from corral.engine.parts import Parts
from corral.engine.remap import KERNEL, SUBGID, SUBUID, Remap, check_reachable, ranges
from corral.engine.subids import SIZE, plan_free_range
from corral.errors import Unsupported
from corral.linux import mounts
from corral.linux.idmap import IdMap, IdMaps, bind_mapped
from corral.linux.private import make_private
from corral.model.space import Space
from corral.runtime.sysctls import default_sysctls

VIEWS = ("images",)


def plan_ids(first: int) -> IdMaps:
    """Pure.

    >>> plan_ids(1 << 30).root
    (1073741824, 1073741824)
    """
    maps = (IdMap(0, first, SIZE),)
    return IdMaps(maps, maps)


def choose_ids(parts: Parts, space: Space) -> int:
    """The first of those that the space gets. Unsupported; InvalidInput (none is free, its root cannot walk here)."""
    kernel = parts.limits.kernel
    if kernel < KERNEL:
        needed, here = (".".join(map(str, one)) for one in (KERNEL, kernel[:2]))
        raise Unsupported(f"user namespaces of pods need Linux {needed} or newer: this is {here}")
    check_reachable(parts.config.run)
    taken = [(one.start, one.size) for one in (*ranges(SUBUID), *ranges(SUBGID))]
    taken += [(one.pw_uid, 1) for one in pwd.getpwall()] + [(one.gr_gid, 1) for one in grp.getgrall()]
    taken += [(one.first_id, SIZE) for one in parts.spaces.values() if one.first_id]
    if parts.remap is not None:
        taken += [(one.outside, one.size) for one in (*parts.remap.maps.uids, *parts.remap.maps.gids)]
    seed = int(hashlib.sha256(f"{parts.config.root}/{space.id}".encode()).hexdigest()[:8], 16)
    return plan_free_range(taken, 0, seed)


def space_remap(parts: Parts, space: Space) -> Remap | None:
    """How the users of its containers are mapped; None where they are the host's."""
    if not space.first_id:
        return None
    views = f"{parts.paths.space(space.id)}/mapped"
    sysctls = default_sysctls(user_namespace=True)
    return Remap(plan_ids(space.first_id), os.path.realpath(parts.config.root), views, sysctls, VIEWS, each=True)


def make_views(parts: Parts, space: Space) -> None:
    """Shows the images with the space's ids; its user namespace is pinned already. Unsupported, HostError."""
    place = parts.paths.space(space.id)
    namespace = os.open(f"{place}/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for name in VIEWS:
            os.makedirs(f"{place}/mapped/{name}", mode=0o711)
            make_private(f"{parts.config.root}/{name}")  # a set-uid file of a pod's root is, on disk, the host's
            bind_mapped(f"{parts.config.root}/{name}", f"{place}/mapped/{name}", namespace)
    finally:
        os.close(namespace)


def show_mapped(parts: Parts, space: str, source: str, target: str) -> None:
    """Shows a file or directory of the host's at `target`, which is made, with the ids of the space's users.

    Unsupported, HostError.
    """
    if os.path.isdir(source):
        os.mkdir(target, 0o711)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    namespace = os.open(f"{parts.paths.space(space)}/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        bind_mapped(source, target, namespace)
    finally:
        os.close(namespace)


def close_views(place: str) -> None:
    """Takes the views of the space at `place` off again."""
    for name in VIEWS:
        if os.path.isdir(f"{place}/mapped/{name}"):
            mounts.unmount(f"{place}/mapped/{name}", lazy=True)
