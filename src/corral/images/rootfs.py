"""Root file systems: an image's layers with a writable one on top, for each container.

::

    rootfs/CONTAINER.PLACE/upper   what the container wrote
    rootfs/CONTAINER.PLACE/work    overlayfs' own
    rootfs/CONTAINER.PLACE/places  mount points of its own, where they were asked for (`scaffold`)

PLACE is the top layer's directory: so the name alone pins the layers, also over a restart, and preparing a container
is three mkdirs. Nothing is synced: the engine's record of the container, written right after, is what counts.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Callable, Mapping

from corral.errors import Conflict, HostError, InvalidInput, NotFound, from_oserror
from corral.images import scaffold
from corral.images.changes import changes, size_of_tree
from corral.images.layers import NO_LAYERS, Layers
from corral.linux import mounts
from corral.linux.archive import PackOptions, pack
from corral.linux.idmap import IdMaps, with_ids
from corral.linux.streams import produce
from corral.linux.tree import remove_tree
from corral.model.image import Change

# Copies of whole files and nothing hidden in attributes: the upper directory must be readable as a layer.
_OPTIONS = ("index=off", "redirect_dir=off", "metacopy=off")
_PARAMETERS = "/sys/module/overlay/parameters"


class RootFilesystems:
    """Those under `root`. Calls that are not awaited take well under a millisecond, but for what `discard` gives."""

    def __init__(self, root: str, trash: str, layers: Layers) -> None:
        self._root, self._trash, self._layers = root, trash, layers
        self._containers: dict[str, tuple[str, str]] = {}  # id: directory, chain
        self._options = ",".join(_OPTIONS)
        os.makedirs(root, exist_ok=True)
        os.makedirs(trash, exist_ok=True)
        self._find()

    def _find(self) -> None:
        """What is there from before, with its pins."""
        for name in os.listdir(self._root):
            container_id, _, place = name.rpartition(".")
            layer = self._layers.at(place)
            if layer is None and place != NO_LAYERS:
                os.rename(f"{self._root}/{name}", f"{self._trash}/{os.urandom(8).hex()}")
                continue
            chain = layer.chain if layer else ""
            self._layers.hold(chain)
            self._containers[container_id] = (f"{self._root}/{name}", chain)

    def ids(self) -> list[str]:
        """The containers that have one."""
        return list(self._containers)

    def prepare(self, container_id: str, chain: str, places: Mapping[str, str] | None = None) -> None:
        """Makes the writable layer on top of the layers up to `chain`. Conflict if there is one.

        `places` are mount points that it needs besides those that all have, as in `scaffold`: they never become a
        part of what is written.
        """
        if container_id in self._containers:
            raise Conflict(f"container {container_id} has a root file system already")
        if not container_id or "/" in container_id or "." in container_id:
            raise InvalidInput(f"invalid container id {container_id!r}")
        layer = self._layers.get(chain)
        place = f"{self._root}/{container_id}.{layer.place if layer else NO_LAYERS}"
        try:
            self._make(place, chain)
            if places:
                scaffold.make(f"{place}/places", self._layers.lowers(chain), places)
        except (OSError, HostError) as error:
            remove_tree(place)
            if isinstance(error, HostError):
                raise
            raise from_oserror(f"make the root file system of {container_id}", error) from error
        self._layers.hold(chain)
        self._containers[container_id] = (place, chain)

    def _make(self, place: str, chain: str) -> None:
        lowers = self._layers.lowers(chain)
        os.makedirs(f"{place}/work", 0o711, exist_ok=True)
        os.makedirs(f"{place}/upper", exist_ok=True)
        # The root of the merged tree shows the upper directory's own attributes.
        there = self._layers.root_stat(lowers[0], chain)
        os.chmod(f"{place}/upper", there.st_mode & 0o7777)
        if there.st_uid or there.st_gid:
            os.chown(f"{place}/upper", there.st_uid, there.st_gid)

    def _of(self, container_id: str) -> tuple[str, str]:
        try:
            return self._containers[container_id]
        except KeyError:
            raise NotFound(f"container {container_id} has no root file system") from None

    def upper(self, container_id: str) -> str:
        return f"{self._of(container_id)[0]}/upper"

    def chain(self, container_id: str) -> str:
        return self._of(container_id)[1]

    def lowers(self, container_id: str) -> list[str]:
        """What lies under the container's own layer, the top first."""
        return self._layers.lowers(self.chain(container_id))

    def mount(
        self,
        container_id: str,
        target: str,
        *,
        ephemeral: bool = False,
        seen: Callable[[str], str] | None = None,
        owner: tuple[int, int] = (0, 0),
    ) -> None:
        """Mounts it at the directory `target`. HostError names both.

        `ephemeral`: the container will be removed when it ends, so nothing of it need ever reach the disk; syncing
        inside it, and unmounting, then cost nothing. `seen` gives the path by which to come to a directory, where
        files are to belong to others than on disk: root's then to `owner`, on whose behalf the kernel works there.
        """
        place, chain = self._of(container_id)
        lowers, own = self._layers.lowers(chain), place
        if os.path.exists(f"{place}/places"):
            lowers = [f"{place}/places", *lowers]
        if seen is not None:
            lowers, own = [seen(path) for path in lowers], seen(place)

        def attempt(options: str) -> None:
            def mount() -> None:
                mounts.mount_overlay(target, lowers, f"{own}/upper", f"{own}/work", options)

            mount() if seen is None else with_ids(*owner, mount)

        volatile = ",volatile" if ephemeral else ""
        if os.path.exists(f"{place}/work/work/incompat"):
            remove_tree(f"{place}/work/work/incompat")  # an earlier ephemeral mount's mark; nothing was lost since
        try:
            attempt(self._options + volatile)
        except HostError as error:
            self._repair(error, place, chain)
            attempt(self._options)

    def _repair(self, error: HostError, place: str, chain: str) -> None:
        """A kernel that does not know an option, or directories that a power cut took: mended, else raised again."""
        if error.errno == errno.EINVAL and (known := _known_options()) != self._options:
            self._options = known
        elif error.errno == errno.ENOENT and not os.path.isdir(f"{place}/upper"):
            self._make(place, chain)
        elif error.errno != errno.EINVAL:
            raise error

    def unmount(self, target: str) -> None:
        """Takes off what is mounted at `target`; what is busy is detached."""
        mounts.unmount(target, lazy=True)

    async def changes(self, container_id: str) -> list[Change]:
        """How a container's files differ from its image's (`docker diff`)."""
        upper, lowers = self.upper(container_id), self.lowers(container_id)
        return await asyncio.to_thread(changes, upper, lowers)

    async def size_rw(self, container_id: str) -> int:
        """The bytes that a container wrote."""
        return await asyncio.to_thread(size_of_tree, self.upper(container_id))

    def export(self, container_id: str, rootfs: str, ids: IdMaps | None = None) -> AsyncGenerator[bytes, None]:
        """All files below `rootfs`, where the container's root file system is mounted, as a tar (`docker export`).

        `ids`: with which it is mounted, if they are not those on disk.
        """
        options = PackOptions(ids=ids)
        return produce(lambda write: pack(write, rootfs, options=options), name=f"export {container_id[:12]}")

    def graph(self, container_id: str) -> dict[str, str]:
        """Where its layers are, in the words of Docker's overlay2; {} if it has none."""
        if container_id not in self._containers:
            return {}
        place = self._containers[container_id][0]
        lowers = ":".join(self.lowers(container_id))
        return {
            "LowerDir": lowers,
            "UpperDir": f"{place}/upper",
            "WorkDir": f"{place}/work",
            "MergedDir": f"{place}/merged",
        }

    def discard(self, container_id: str) -> tuple[Callable[[], None], str] | None:
        """Forgets a container's layer and unpins its image; None if it has none.

        Gives the slow part, to run in a thread, and the chain that was pinned, for the caller to release.
        """
        found = self._containers.pop(container_id, None)
        if found is None:
            return None
        place, chain = found
        grave = f"{self._trash}/{os.urandom(8).hex()}"
        try:
            os.rename(place, grave)
        except FileNotFoundError:
            return (lambda: None), chain
        return (lambda: remove_tree(grave)), chain


def _known_options() -> str:
    """Of our options those that this kernel knows."""
    try:
        names = set(os.listdir(_PARAMETERS))
    except FileNotFoundError:
        return ""
    return ",".join(option for option in _OPTIONS if option.partition("=")[0] in names)
