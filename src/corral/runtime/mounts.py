"""Mounts: what a container finds at /proc, /dev, /sys and so on, and how the user's own mounts are told to OCI."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence

from corral.errors import InvalidInput
from corral.runtime.input import BundleMount

SHM_SIZE = 64 << 20
_SAFE = ("nosuid", "noexec", "nodev")
_PTS = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")

# Mounts that stay writable where the root file system is read-only.
_ALWAYS_WRITABLE = {"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"}


def default_mounts(
    *, privileged: bool, read_only: bool, shm: str | None, shm_size: int, writable_cgroups: bool | None = None
) -> list[BundleMount]:
    """Pure: what every Linux process expects. See `BundleInput.shm`; `shm_size` 0 is 64 MiB. Cgroups can be written
    where the container is privileged, unless said otherwise.

    >>> [m.target for m in default_mounts(privileged=False, read_only=False, shm=None, shm_size=0)]
    ['/proc', '/dev', '/dev/pts', '/sys', '/sys/fs/cgroup', '/dev/mqueue']
    """
    system = () if privileged else ("ro",)
    cgroups = () if (privileged if writable_cgroups is None else writable_cgroups) else ("ro",)
    found = [
        BundleMount("proc", "/proc", "proc", _SAFE),
        BundleMount("tmpfs", "/dev", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        BundleMount("devpts", "/dev/pts", "devpts", _PTS),
        BundleMount("sysfs", "/sys", "sysfs", (*_SAFE, *system)),
        BundleMount("cgroup", "/sys/fs/cgroup", "cgroup", (*cgroups, *_SAFE)),
        BundleMount("mqueue", "/dev/mqueue", "mqueue", _SAFE),
    ]
    if shm == "":
        size = f"size={shm_size or SHM_SIZE}"
        found.append(BundleMount("shm", "/dev/shm", "tmpfs", (*_SAFE, "mode=1777", size)))
    elif shm is not None:
        found.append(BundleMount(shm, "/dev/shm", "bind", ("rbind", "rprivate")))
    if read_only and not privileged:
        return [_made_read_only(mount) for mount in found]
    return found


def _made_read_only(mount: BundleMount) -> BundleMount:
    if mount.target in _ALWAYS_WRITABLE or "ro" in mount.options:
        return mount
    return BundleMount(mount.source, mount.target, mount.type, (*mount.options, "ro"))


def plan_mounts(defaults: Iterable[BundleMount], mine: Sequence[BundleMount]) -> list[BundleMount]:
    """Pure: all mounts in the order in which they are made: what lies deeper later. The user's replace defaults.

    >>> a, b = BundleMount("/x", "/a/b", "bind"), BundleMount("/y", "/a", "bind")
    >>> [m.target for m in plan_mounts([BundleMount("proc", "/proc", "proc")], [a, b])]
    ['/proc', '/a', '/a/b']
    """
    taken = {mount.target for mount in mine}
    kept = [m for m in defaults if m.target not in taken and not ("/dev" in taken and m.target.startswith("/dev/"))]
    return kept + sorted(mine, key=lambda mount: mount.target.count("/") if mount.target != "/" else 0)


def plan_bind(
    source: str,
    target: str,
    *,
    read_only: bool = False,
    recursive: bool = True,
    propagation: str = "",
    recursive_read_only: bool = False,
) -> BundleMount:
    """Pure: a bind mount. `recursive_read_only` makes the mounts below read-only too, where the host can. One that is
    to be written is not told "rw": the runtime would make writable what the host has mounted read-only.

    >>> plan_bind("/s", "/t", read_only=True, propagation="rslave").options
    ('rbind', 'ro', 'rslave')
    """
    mode = ["rro" if recursive_read_only and recursive else "ro"] if read_only else []
    return BundleMount(source, target, "bind", ("rbind" if recursive else "bind", *mode, propagation or "rprivate"))


_PAIRS = {"ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec", "sync": "async", "nodiratime": "diratime"}
_PAIRS |= {"noatime": "atime", "relatime": "norelatime", "strictatime": "nostrictatime", "dirsync": "nodirsync"}
_OPPOSITE = _PAIRS | {value: key for key, value in _PAIRS.items()}
_PROPAGATIONS = {"shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable"}
_VALUED = {"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"}


def plan_tmpfs(target: str, options: str) -> BundleMount:
    """Pure: a tmpfs from its option text. Not executable, without devices and set-uid programs unless asked for;
    of two that contradict each other the last one counts. InvalidInput for an unknown option.

    >>> plan_tmpfs("/t", "size=64m,mode=1777,exec").options
    ('nosuid', 'nodev', 'size=64m', 'mode=1777', 'exec')
    """
    given = ["noexec", "nosuid", "nodev", *(option for option in options.split(",") if option)]
    kept: list[str] = []
    seen: set[str] = set()
    for option in reversed(given):
        key, separator, _ = option.partition("=")
        known = option in _OPPOSITE or option in _PROPAGATIONS or (separator and key in _VALUED)
        if not known:
            raise InvalidInput(f'invalid tmpfs option "{key}"')
        if key not in seen and _OPPOSITE.get(option) not in seen:
            kept.append(option)
        seen.add(key)
    return BundleMount("tmpfs", target, "tmpfs", tuple(reversed(kept)))


def plan_root_propagation(mounts: Iterable[BundleMount]) -> str:
    """Pure: the propagation of the root, so that a shared or slave mount below can be one; "" leaves the default.

    >>> plan_root_propagation([plan_bind("/s", "/t", propagation="rslave")])
    'rslave'
    """
    options = {option for mount in mounts for option in mount.options}
    if options & {"shared", "rshared"}:
        return "shared"
    return "rslave" if options & {"slave", "rslave"} else ""


def parse_mountinfo(text: str) -> dict[str, str]:
    """Pure: what each mount point's mount shares, by the text of /proc/self/mountinfo; of several there, the last's.

    >>> parse_mountinfo("29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw")
    {'/': 'shared:1'}
    """
    found = {}
    for line in text.splitlines():
        parts = line.partition(" - ")[0].split(" ")
        found[parts[4].replace("\\040", " ")] = " ".join(parts[6:])
    return found


def check_propagation(source: str, propagation: str, mounts: Mapping[str, str]) -> None:
    """Pure: raises InvalidInput when the mount that holds `source` cannot propagate so. `mounts` as `parse_mountinfo`
    gives them, `source` a real path.

    >>> check_propagation("/srv", "rshared", {"/": "shared:1"})
    """
    if propagation not in ("shared", "rshared", "slave", "rslave"):
        return
    place = source
    while place not in mounts and place.strip("/"):
        place = posixpath.dirname(place)
    tags = mounts.get(place, "")
    if "shared:" in tags:
        return
    if propagation in ("shared", "rshared"):
        raise InvalidInput(f"path {source} is mounted on {place} but it is not a shared mount")
    if "master:" not in tags:
        raise InvalidInput(f"path {source} is mounted on {place} but it is not a shared or slave mount")
