"""Directories of an NFS server, mounted for one pod by the node's mount.nfs: it finds the server's address and the
newest version that both speak, as it does for a kubelet elsewhere.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from corral.cluster.kubelet.errors import NotMounted
from corral.errors import CorralError
from corral.kit.apart import apart
from corral.linux import mounts, spawn

Object = dict[str, Any]

HELPER: Final = "mount.nfs"
PLACES: Final = "/usr/local/sbin:/usr/sbin:/sbin"  # besides PATH, which of a service may lack them
MISSING: Final = (
    "volumes of kind nfs need mount.nfs on this node: install nfs-common (Debian, Ubuntu) or nfs-utils (other systems)"
)


def plan_arguments(source: Object, place: str, options: Sequence[str] = ()) -> list[str]:
    """Pure: what mount.nfs is told. `options` are a PersistentVolume's mountOptions.

    >>> plan_arguments({"server": "nas", "path": "/data", "readOnly": True}, "/k/v", ["nfsvers=4.2"])
    ['nas:/data', '/k/v', '-o', 'ro,nfsvers=4.2']
    >>> plan_arguments({"server": "fd00::9", "path": "/data"}, "/k/v")
    ['[fd00::9]:/data', '/k/v']
    """
    server = f"[{source['server']}]" if ":" in source["server"] and "[" not in source["server"] else source["server"]
    words = [*(["ro"] if source.get("readOnly") else []), *options]
    return [f"{server}:{source['path']}", place, *(["-o", ",".join(words)] if words else [])]


async def mount(source: Object, place: str, options: Sequence[str] = ()) -> None:
    """Mounts it at `place`, which is made; one that is mounted already is fine. NotMounted, in a kubelet's words."""
    if await apart(partial(mounts.is_mount, place)):
        return
    helper = shutil.which(HELPER, path=f"{os.environ.get('PATH', '')}:{PLACES}")
    if helper is None:
        raise NotMounted(MISSING)
    os.makedirs(place, mode=0o750, exist_ok=True)
    arguments = plan_arguments(source, place, options)
    try:
        done = await spawn.run([helper, *arguments])
    except CorralError as error:
        raise NotMounted(f"mount failed: {error.message}") from error
    if done.code != 0:
        os.rmdir(place)
        said = (done.err + done.out).decode(errors="replace").strip()
        raise NotMounted(
            f"mount failed: exit status {done.code}\n"
            f"Mounting command: {helper}\nMounting arguments: {' '.join(arguments)}\nOutput: {said}"
        )


def unmount_all(root: str) -> None:
    """Takes off what is mounted in the directory `root`, and removes what it was mounted at: never the server's files,
    for a directory that is still a mount cannot be removed. Blocking. HostError, OSError.
    """
    mounts.unmount_under(root)
    if not os.path.isdir(root):
        return
    with os.scandir(root) as entries:
        places = [entry.path for entry in entries]
    for place in (*places, root):
        os.rmdir(place)
