"""Remapping: containers' users are the host's subordinate ones, so that root inside is nobody outside.

On disk everything keeps the ids that containers know. Two id-mapped views of the instance's directories, made when
the daemon starts, show them as the host's subordinate ids::

    RUN/mapped/images     of ROOT/images: what remapped root file systems are mounted from
    RUN/mapped/volumes    of ROOT/volumes: what remapped containers' volumes are bound from
    RUN/mapped/build      of ROOT/build: the same for what builds keep between them

so layers and volumes are shared with containers in the host's user namespace, and nothing is copied.
"""

from __future__ import annotations

import grp
import hashlib
import json
import logging
import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from corral.engine.config import EngineConfig
from corral.engine.subids import (
    DEFAULT_USER,
    SIZE,
    Range,
    User,
    parse_ranges,
    plan_free_range,
    plan_map,
    plan_maps,
    plan_user,
)
from corral.errors import InvalidInput, Unsupported, from_oserror
from corral.linux import mounts
from corral.linux.idmap import IdMaps, bind_mapped, new_user_namespace
from corral.linux.private import make_private
from corral.runtime.sysctls import default_sysctls

log = logging.getLogger("corral.engine")
VIEWS = ("images", "volumes", "build")
KERNEL = (5, 19)
SUBUID, SUBGID = "/etc/subuid", "/etc/subgid"


@dataclass(frozen=True)
class Remap:
    """`views` is where the id-mapped views are; `sysctls` what is set in a network of a remapped container."""

    maps: IdMaps
    root: str
    views: str
    sysctls: dict[str, str] = field(default_factory=dict)

    def seen(self, path: str) -> str:
        """Pure: where a directory of the instance shows its files with the host's ids; others are as they are.

        >>> remap = Remap(IdMaps((), ()), "/var/lib/corral", "/run/corral/mapped")
        >>> remap.seen("/var/lib/corral/volumes/db/_data"), remap.seen("/srv")
        ('/run/corral/mapped/volumes/db/_data', '/srv')
        """
        for name in VIEWS:
            if path.startswith(f"{self.root}/{name}/"):
                return self.views + path.removeprefix(self.root)
        return path


def open_remap(config: EngineConfig, kernel: tuple[int, int]) -> Remap | None:
    """Makes the views, if remapping is on. Blocks for about 30 ms.

    InvalidInput in dockerd's words; Unsupported where the kernel or the file system cannot; HostError.
    """
    close_remap(config)  # of an earlier daemon: containers that run need them no longer
    if not config.userns_remap:
        return None
    if kernel < KERNEL:
        raise Unsupported(f"userns-remap needs Linux {KERNEL[0]}.{KERNEL[1]} or newer: this is {kernel[0]}.{kernel[1]}")
    maps = find_maps(config)
    if maps is None:
        log.warning("User namespaces: root cannot be remapped with itself; user namespaces are OFF")
        return None
    _check_reachable(config.run)
    views = f"{config.run}/mapped"
    namespace = new_user_namespace(maps)
    try:
        for name in VIEWS:
            os.makedirs(f"{views}/{name}", mode=0o711, exist_ok=True)
            make_private(f"{config.root}/{name}")
            bind_mapped(f"{config.root}/{name}", f"{views}/{name}", namespace)
    except BaseException:
        close_remap(config)
        raise
    finally:
        os.close(namespace)
    uid, gid = maps.root
    log.info("users of containers are mapped to the host's: root is %d:%d", uid, gid)
    return Remap(maps, os.path.realpath(config.root), views, default_sysctls(user_namespace=True))


def close_remap(config: EngineConfig) -> None:
    """Takes the views off again. None is fine."""
    views = f"{config.run}/mapped"
    if os.path.isdir(views):
        for place in (*(f"{views}/{name}" for name in VIEWS), views):
            mounts.unmount(place, lazy=True)
            with suppress(FileNotFoundError):
                os.rmdir(place)


def find_maps(config: EngineConfig) -> IdMaps | None:
    """Which ids are whose; None for root, which cannot be remapped with itself."""
    subuid, subgid = _ranges(SUBUID), _ranges(SUBGID)
    user = plan_user(config.userns_remap, _user, _group)
    if user is not None and user.name == "root":
        return None
    if user is None and not any(one.owner == DEFAULT_USER for one in (*subuid, *subgid)):
        return _own_range(config.root, [*subuid, *subgid])
    name, uid = user or (DEFAULT_USER, None)
    return plan_maps(name, uid, subuid, subgid)


def _own_range(root: str, ranges: list[Range]) -> IdMaps:
    """A range that nobody has, remembered so that files which containers made elsewhere stay theirs."""
    path = f"{root}/userns-remap.json"
    taken = [(one.start, one.size) for one in ranges]
    taken += [(one.pw_uid, 1) for one in pwd.getpwall()] + [(one.gr_gid, 1) for one in grp.getgrall()]
    seed = int(hashlib.sha256(os.fsencode(root)).hexdigest()[:8], 16)
    remembered = _remembered(path)
    start = plan_free_range(taken, remembered, seed)
    if start != remembered:
        with open(f"{path}.new", "w") as file:
            json.dump({"start": start, "size": SIZE}, file)
        os.rename(f"{path}.new", path)
    maps = plan_map([Range(DEFAULT_USER, start, SIZE)])
    return IdMaps(maps, maps)


def _remembered(path: str) -> int:
    try:
        with open(path) as file:
            return int(json.load(file)["start"])
    except FileNotFoundError:
        return 0
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path}: not as this daemon wrote it: {error}") from None


def _ranges(path: str) -> list[Range]:
    try:
        with open(path, errors="replace") as file:
            return parse_ranges(file.read(), path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise from_oserror(f"read {path}", error) from error


def _user(key: str | int) -> User | None:
    try:
        found = pwd.getpwnam(key) if isinstance(key, str) else pwd.getpwuid(key)
    except KeyError:
        return None
    return User(found.pw_name, found.pw_uid)


def _group(key: str | int) -> str | None:
    try:
        return (grp.getgrnam(key) if isinstance(key, str) else grp.getgrgid(key)).gr_name
    except KeyError:
        return None


def _check_reachable(path: str) -> None:
    """The mapped root must be able to walk to the root file systems. InvalidInput names what shuts it out."""
    place = os.path.realpath(path)
    while place != "/":
        if not os.stat(place).st_mode & stat.S_IXOTH:
            raise InvalidInput(f"userns-remap: {place} must be open to the users of containers: chmod o+x {place}")
        place = os.path.dirname(place)


# What a mounted bundle was mapped with: a later daemon may be told otherwise while it still runs.


def remember_maps(bundle: str, maps: IdMaps) -> None:
    with open(f"{bundle}/idmap.json", "wb") as file:
        file.write(msgspec.json.encode(maps))


def maps_of(bundle: str) -> IdMaps | None:
    """With which ids a container's mounted root file system shows its files; None: as they are on disk."""
    try:
        with open(f"{bundle}/idmap.json", "rb") as file:
            return msgspec.json.decode(file.read(), type=IdMaps)
    except FileNotFoundError:
        return None
