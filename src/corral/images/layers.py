"""Layers: each is unpacked once for each chain id, and lives as long as an image, a container or a layer on it does.

::

    layers/PLACE/diff      the files, with overlayfs' whiteouts
    layers/PLACE/recipe    how to make the tar again (`recipe`), with spare/ and moves where needed
    layers/PLACE/scaffold  mount points for containers on top of this layer (`scaffold`)

A directory becomes a layer by the transaction that records it; one without a record is a leftover.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence

from msgspec.structs import replace

from corral.errors import HostError, from_oserror
from corral.images import scaffold
from corral.images.digests import Hasher
from corral.images.packing import clamp_times, pack_layer
from corral.images.recipe import RecipeWriter, replay
from corral.images.union import find
from corral.linux.archive import Entry, Limits, UnpackOptions, extract
from corral.linux.compression import decompressed
from corral.linux.pack import is_opaque
from corral.linux.streams import ReadAhead
from corral.linux.tree import link_tree, remove_tree
from corral.model.container import Struct

NO_LAYERS = "none"  # the place of containers whose image has no layers


class Layer(Struct):
    """`size` is the unpacked bytes, `tar_size` those of its uncompressed tar. `opaque`: hides all below its root."""

    chain: str
    diff: str
    place: str
    parent: str = ""
    size: int = 0
    tar_size: int = 0
    opaque: bool = False


class Layers:
    """The layers under `root`, and who needs them. No I/O but in `unpack`, `adopt`, `remove`, `tar`, `strays`."""

    def __init__(self, root: str, known: Iterable[Layer] = ()) -> None:
        self._root = root
        self._layers = {layer.chain: layer for layer in known}
        self._places = {layer.place: layer for layer in self._layers.values()}
        self._holders: Counter[str] = Counter(layer.parent for layer in self._layers.values() if layer.parent)
        self._lowers: dict[str, list[str]] = {}
        self._roots: dict[str, os.stat_result] = {}
        os.makedirs(root, exist_ok=True)

    def get(self, chain: str) -> Layer | None:
        return self._layers.get(chain)

    def at(self, place: str) -> Layer | None:
        return self._places.get(place)

    def stack(self, chain: str) -> list[Layer]:
        """The layers from the bottom up to `chain` ("" has none)."""
        found: list[Layer] = []
        while chain:
            found.append(self._layers[chain])
            chain = found[-1].parent
        return found[::-1]

    def dirs(self, chain: str) -> list[str]:
        """The directories that an overlay needs, the top first."""
        dirs = []
        for layer in reversed(self.stack(chain)):
            dirs.append(self.dir_of(layer))
            if layer.opaque:
                break
        return dirs

    def lowers(self, chain: str) -> list[str]:
        """What lies under a container: its image's directories, and on them the scaffold, which is made if needed."""
        lowers = self._lowers.get(chain)
        if lowers is None:
            dirs = self.dirs(chain)
            place = f"{self._root}/{self._layers[chain].place if chain else NO_LAYERS}"
            os.makedirs(place, exist_ok=True)
            scaffold.make(f"{place}/scaffold", dirs)
            lowers = self._lowers[chain] = [f"{place}/scaffold", *dirs]
        return lowers

    def dir_of(self, layer: Layer) -> str:
        """Its files."""
        return f"{self._root}/{layer.place}/diff"

    def root_stat(self, path: str, chain: str) -> os.stat_result:
        """The attributes of the root directory, which are the top layer's; remembered, for they never change."""
        there = self._roots.get(chain)
        if there is None:
            there = self._roots[chain] = os.stat(path)
        return there

    # Who needs them.

    def hold(self, chain: str) -> None:
        """One more needs this layer, and so those below it."""
        if chain:
            self._holders[chain] += 1

    def release(self, chain: str) -> list[Layer]:
        """One less does. Those that nobody needs any more leave the index; the caller deletes record and files."""
        dropped: list[Layer] = []
        while chain:
            self._holders[chain] -= 1
            if self._holders[chain] > 0 or chain not in self._layers:
                break
            dropped.append(self._drop(chain))
            chain = dropped[-1].parent
        return dropped

    def _drop(self, chain: str) -> Layer:
        layer = self._layers.pop(chain)
        del self._places[layer.place], self._holders[chain]
        self._lowers.pop(chain, None)
        self._roots.pop(chain, None)
        return layer

    def drop_unneeded(self) -> list[Layer]:
        """Those that nobody holds: after start, what a crash left of images that were never recorded."""
        dropped: list[Layer] = []
        for chain in list(self._layers):
            if chain in self._layers and self._holders[chain] <= 0:
                dropped.append(self._drop(chain))
                dropped += self.release(dropped[-1].parent)
        return dropped

    def diffs(self) -> set[str]:
        """The diff ids of all layers."""
        return {layer.diff for layer in self._layers.values()}

    def add(self, layer: Layer) -> None:
        """A new layer, whose parent is here. Nobody holds it yet."""
        self._layers[layer.chain] = self._places[layer.place] = layer
        self.hold(layer.parent)

    # Files.

    def unpack(
        self,
        chunks: Iterable[bytes],
        below: Callable[[], Sequence[str]],
        limits: Limits,
        stop: Callable[[], None] | None = None,
    ) -> Layer:
        """Unpacks a tar, compressed or not, into a new place; `chain` and `parent` are still empty. Blocking.

        `below` gives the directories under it, the top first: directories that the tar uses without listing them look
        as there. It may wait for layers that are being unpacked; it is asked only when needed. `stop` wakes `chunks`
        when unpacking fails. On any error nothing is left behind.
        """
        name = os.urandom(5).hex()
        place = f"{self._root}/{name}"
        hasher = Hasher()
        try:
            os.mkdir(place)
            recipe = RecipeWriter(place)
        except OSError as error:
            remove_tree(place)
            raise from_oserror(f"unpack a layer into {place}", error) from error
        options = UnpackOptions(
            overlay=True,
            limits=limits,
            implied=lambda path: _like(below(), path),
            displace=recipe.displace,
            written=recipe.written,
        )
        try:
            os.mkdir(f"{place}/diff", 0o755)
            with ReadAhead(hasher.through(decompressed(chunks)), stop) as plain:
                unpacked = extract(plain, f"{place}/diff", options, recipe.raw)
            recipe.finish()
            if not unpacked.root_listed:
                scaffold.dress_like_root(f"{place}/diff", below())
        except BaseException as error:
            recipe.close()
            remove_tree(place)
            if isinstance(error, OSError):
                raise from_oserror(f"unpack a layer into {place}", error) from error
            raise
        opaque = is_opaque(f"{place}/diff")
        return Layer("", hasher.digest(), name, "", unpacked.size, hasher.size, opaque)

    def adopt(self, upper: str, below: Sequence[str], latest: int | None = None) -> Layer:
        """Makes an overlay's upper directory a new layer by moving it; `chain` and `parent` are still empty. Blocking.

        Its files are read once, for the digest of their tar. With `latest` (seconds since the epoch) none of them is
        newer. `below` as for `unpack`. On an error nothing is left behind, and `upper` is where it was.
        """
        name = os.urandom(5).hex()
        place = f"{self._root}/{name}"
        size = 0
        try:
            if latest is not None:
                clamp_times(upper, latest)
            os.mkdir(place)
            recipe = RecipeWriter(place)
            try:
                hasher = Hasher()

                def written(path: str, entry: Entry) -> None:
                    nonlocal size
                    size += entry.size
                    recipe.written(path, entry)

                pack_layer(hasher.update, upper, below, recipe.raw, written)
                recipe.finish()
            finally:
                recipe.close()
            os.rename(upper, f"{place}/diff")
        except OSError as error:
            remove_tree(place)
            raise from_oserror(f"make a layer of {upper}", error) from error
        except BaseException:
            remove_tree(place)
            raise
        return Layer("", hasher.digest(), name, "", size, hasher.size, is_opaque(f"{place}/diff"))

    def graft(self, layer: Layer) -> Layer:
        """The same layer once more, to lie on others; `chain` and `parent` are still empty. Its files are hard links,
        so it takes next to no disk. Blocking. On an error nothing is left behind."""
        name = os.urandom(5).hex()
        old, place = f"{self._root}/{layer.place}", f"{self._root}/{name}"
        try:
            os.mkdir(place)
            for part in os.listdir(old):
                if part in ("diff", "spare"):
                    link_tree(f"{old}/{part}", f"{place}/{part}")
                elif part in ("recipe", "moves"):
                    os.link(f"{old}/{part}", f"{place}/{part}")
        except OSError as error:
            remove_tree(place)
            raise from_oserror(f"make a layer of {old}", error) from error
        return replace(layer, chain="", parent="", place=name)

    def remove(self, layers: Iterable[Layer]) -> None:
        """Deletes the files of layers. Blocking."""
        for layer in layers:
            remove_tree(f"{self._root}/{layer.place}")

    def tar(self, layer: Layer) -> Generator[bytes, None, None]:
        """The layer's uncompressed tar. HostError at the end if it is not what it was. Blocking.

        Whoever may not read all of it closes it: it holds files of the layer open, and so their blocks.
        """
        hasher = Hasher()
        yield from hasher.through(replay(f"{self._root}/{layer.place}"))
        if hasher.digest() != layer.diff:
            raise HostError(f"layer {layer.diff} is damaged on disk: its content has the digest {hasher.digest()}")

    def strays(self) -> list[str]:
        """The directories that are no layer: what a crash left."""
        return [f"{self._root}/{n}" for n in os.listdir(self._root) if n not in self._places and n != NO_LAYERS]


def _like(below: Sequence[str], path: str) -> Entry | None:
    """The directory `path` of the layers below as an archive entry; None if they have none."""
    old = find(below, path)
    if old is None or not old.is_dir:
        return None
    attributes = {k: os.getxattr(old.path, k) for k in os.listxattr(old.path)}
    there = old.stat
    return Entry(
        path, "dir", 0, there.st_mode & 0o7777, there.st_uid, there.st_gid, there.st_mtime_ns, xattrs=attributes
    )
