"""The library: all that an engine can do with images, in one object. Each verb has a file of its own."""

from __future__ import annotations

import asyncio
import builtins  # `list` is one of the verbs below
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from corral.errors import InvalidInput
from corral.images import commit as committing
from corral.images import digests, importing, removal
from corral.images import load as loading
from corral.images.catalog import Catalog, Name
from corral.images.content import PULLS, Content
from corral.images.digests import chain_ids
from corral.images.draft import Draft
from corral.images.layers import Layer, Layers
from corral.images.load import Loaded, LoadEvent
from corral.images.origins import BLOBS, MANIFEST, Origins
from corral.images.records import Change, Records
from corral.images.references import parse_tag
from corral.images.remote.config import RemoteConfig
from corral.images.removal import Removed, Users
from corral.images.rootfs import RootFilesystems
from corral.images.save import Chosen, choose, save
from corral.kit.clock import Clock
from corral.linux import libc
from corral.linux.archive import Limits, remove_tree
from corral.linux.private import make_private
from corral.linux.streams import in_thread, produce
from corral.model.image import Image, ImageConfig

if TYPE_CHECKING:
    from corral.images.remote.door import Remote

T = TypeVar("T")
log = logging.getLogger("corral")
HOLD = "hold"


async def _nothing() -> None:
    """Nobody has room to give."""


def top(image: Image) -> str:
    """The chain id of an image's top layer, "" if it has none."""
    return chain_ids(image.diff_ids)[-1] if image.diff_ids else ""


class Images:
    """The images of one instance, and the root file systems made from them. Make it with `open`.

    ::

        images/images.db     records (`records`)          images/layers/    unpacked layers (`layers`)
        images/content/      configurations (`content`)   images/rootfs/    containers' own layers (`rootfs`)

    Changes are made one after the other, each recorded in one transaction; memory follows the record.
    """

    def __init__(self, root: str, clock: Clock, limits: Limits, remote: RemoteConfig) -> None:
        self.clock, self.limits = clock, limits
        self._remote_config = remote
        self._remote: Remote | None = None
        self._root = root
        make_private(root)
        self._records = Records(f"{root}/images.db")
        self.content = Content(f"{root}/content")
        self.scratch = f"{root}/content/ingest"
        self._catalog = Catalog()
        self.origins = Origins()
        self._fresh: set[str] = set()  # chain ids of layers without a record yet
        self._kept: dict[str, str] = {}  # name: chain id of layers that somebody else's records need
        self.content.holders.append(lambda: [*builtins.list(self._catalog.images), *self.origins.needed()])
        self.layers = Layers(f"{root}/layers", self._read())
        self.rootfs = RootFilesystems(f"{root}/rootfs", f"{root}/trash", self.layers)
        self._lock = asyncio.Lock()
        self.before_removal: Callable[[], Awaitable[None]] = _nothing  # for its owner to make room for the records
        self.swept: asyncio.Future[None]  # done when the leftovers of a crash are deleted; nothing waits for it

    @classmethod
    async def open(
        cls, root: str, *, clock: Clock, limits: Limits | None = None, remote: RemoteConfig | None = None
    ) -> Images:
        """Those of the instance in `root`; what a crash left half-made goes. Unavailable if a daemon has them."""
        images = cls(f"{root}/images", clock, limits or Limits(), remote or RemoteConfig())
        try:
            await images._sweep()
        except BaseException:
            images.close()
            raise
        return images

    def close(self) -> None:
        """Lets go of the directory. Mounted root file systems stay."""
        self._records.close()

    @property
    def remote(self) -> Remote:
        """The door to registries, whose code is loaded at its first use."""
        if self._remote is None:
            from corral.images.remote.door import Remote

            self._remote = Remote(self, self._remote_config)
        return self._remote

    async def disconnect(self) -> None:
        """Ends what is under way to and from registries."""
        if self._remote is not None:
            await self._remote.close()

    def _read(self) -> builtins.list[Layer]:
        """Fills the catalog; gives the layers."""
        layers, names = [], []
        for kind, key, value in self._records.read():
            if kind == "layer":
                layers.append(msgspec.json.decode(value, type=Layer))
            elif kind == "image":
                self._catalog.images[key] = msgspec.json.decode(value, type=Image)
            elif kind in (BLOBS, MANIFEST):
                self.origins.read(kind, key, value)
            elif kind == HOLD:
                self._kept[key] = value.decode()
            else:
                names.append((key, msgspec.json.decode(value, type=Name)))
        for ref, name in names:
            self._catalog.set_name(ref, name)
        return layers

    async def _sweep(self) -> None:
        for image in self._catalog.images.values():
            self.layers.hold(top(image))
        for chain in self._kept.values():
            self.layers.hold(chain)
        unneeded = self.layers.drop_unneeded()
        if unneeded:
            await self._write([Change("layer", layer.chain, None) for layer in unneeded])
        strays = self.layers.strays() + [f"{self._root}/trash/{n}" for n in os.listdir(f"{self._root}/trash")]
        self.swept = in_thread("sweep", lambda: _remove_all(strays))

    # Asking.

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._catalog.images

    def get(self, ref: str) -> Image:
        """By name, name@digest, id or the start of an id. NotFound "No such image: busybox:latest"; InvalidInput."""
        return self._catalog.find(ref)

    def list(self) -> builtins.list[Image]:
        """All of them, the newest first."""
        return self._catalog.newest_first()

    def named(self, tag: str) -> str:
        """The id of the image that has this full name (a tag, or with a digest) now, "" if none."""
        name = self._catalog.tags.get(tag) or self._catalog.digests.get(tag)
        return name.image if name else ""

    def repository(self, name: str) -> builtins.list[str]:
        """The full names with a tag of one repository ("docker.io/library/busybox"), sorted."""
        return self._catalog.repository(name)

    def size_of(self, image_id: str) -> int:
        """The unpacked bytes of all layers of an image; 0 if it is gone."""
        image = self._catalog.images.get(image_id)
        return image.size if image else 0

    def config_bytes(self, ref: str) -> bytes:
        """An image's configuration as it was made: the JSON whose digest is its id."""
        return self.content.read(self.get(ref).id)

    def image_graph(self, image_id: str) -> dict[str, str]:
        """Where an image's layers are, in the words of Docker's overlay2."""
        dirs = self.layers.dirs(top(self.get(image_id)))
        found = {"LowerDir": ":".join(dirs[1:]), "UpperDir": dirs[0] if dirs else ""}
        return {key: value for key, value in found.items() if value}

    # What images are called, and removing them.

    async def tag(self, ref: str, new: str) -> str:
        """One more name for an image, which another image may lose by it; the full name. NotFound, InvalidInput."""
        target = parse_tag(new)
        if target.familiar_name == "sha256":
            raise InvalidInput("refusing to create an ambiguous tag using digest algorithm as name")

        async def work() -> str:
            name = Name(self.get(ref).id, self.clock.now())
            await self._write([Change("tag", str(target), msgspec.json.encode(name))])
            self._catalog.set_name(str(target), name)
            return str(target)

        return await self._alone(work)

    async def remove(
        self, ref: str, *, force: bool = False, prune: bool = True, used_by: Users
    ) -> builtins.list[Removed]:
        """Takes a name away, or an image with its layers, or both (see `removal`). What went, in order.

        `used_by(image_id)` gives the containers that use an image, as (id, whether it runs). Conflict, NotFound.
        """
        await self.before_removal()

        async def work() -> builtins.list[Removed]:
            plan = removal.plan_removal(self._catalog, ref, force=force, prune=prune, users=used_by)
            names = [Change(_kind(name), name, None) for name in plan.untag]
            images = [Change("image", image_id, None) for image_id in plan.delete]
            kept = [found.digest for image_id in plan.delete if (found := self.origins.manifest(image_id))]
            await self._write([*names, *images, *self.origins.forget(image_ids=plan.delete)])
            for name in plan.untag:
                self._catalog.set_name(name, None)
            gone = [gone for step in plan.steps for gone in (step, *await self._deleted(step.deleted))]
            await asyncio.to_thread(self.content.collect, [*plan.delete, *kept])
            return gone

        return await self._alone(work)

    def unneeded(self, image: Image, asked: Sequence[str]) -> builtins.list[str]:
        """The names that may go of an image which is in use: `asked` are the names (or ids) it is used by."""
        return removal.plan_prune(image.tags, asked)

    async def broken_pulls(self) -> int:
        """The bytes of pulls that can be gone on with, or are under way."""
        return await asyncio.to_thread(self.content.unfinished_size, *PULLS)

    async def forget_broken_pulls(self, before: float) -> dict[str, int]:
        """Those that nobody goes on with and whose last byte came before (seconds since 1970) go: the digests of their
        blobs, and the bytes that had come."""
        gone = await asyncio.to_thread(self.content.forget_unfinished, before, *PULLS)
        return {name.partition("-")[2]: size for name, size in gone.items()}

    async def _deleted(self, image_id: str) -> builtins.list[Removed]:
        """After an image's record is gone: the rest of it. The layers that went with it."""
        if not image_id:
            return []
        dropped = self.layers.release(top(self._catalog.images[image_id]))
        self._catalog.drop(image_id)
        await self._forget(dropped)
        return [Removed(deleted=layer.chain) for layer in dropped]

    # Bringing images in.

    async def import_rootfs(
        self,
        chunks: AsyncIterator[bytes],
        *,
        ref: str = "",
        message: str = "",
        config: ImageConfig | None = None,
        platform: str = "",
    ) -> Image:
        """An image of one layer out of a tar of a root file system, compressed or not (`docker import`)."""
        return await importing.import_rootfs(self, chunks, ref, message, config or ImageConfig(), platform)

    async def load(self, chunks: AsyncIterator[bytes], *, platform: str = "") -> AsyncGenerator[Loaded, None]:
        """The images of an archive, each when it is there (`docker load`)."""
        async with aclosing(self.load_events(chunks, platform=platform)) as events:
            async for event in events:
                if isinstance(event, Loaded):
                    yield event

    def load_events(self, chunks: AsyncIterator[bytes], *, platform: str = "") -> AsyncGenerator[LoadEvent, None]:
        """The same, with the progress of each layer in between."""
        return loading.load(self, chunks, platform)

    async def commit(
        self,
        container_id: str,
        base: Image,
        *,
        config: ImageConfig,
        ref: str = "",
        author: str = "",
        comment: str = "",
        created_by: str = "",
    ) -> Image:
        """A new image: `base` and on top what the container wrote. The caller keeps its processes from writing."""
        return await committing.commit(
            self, container_id, base, config=config, ref=ref, author=author, comment=comment, created_by=created_by
        )

    def draft(self) -> Draft:
        """An image in the making."""
        return Draft(self)

    def add_layer(self, layer: Layer) -> None:
        """A new layer, for drafts to share. Its record comes with the first image that has it."""
        self.layers.add(layer)
        self._fresh.add(layer.chain)

    async def record(
        self,
        data: bytes,
        image: Image,
        names: Iterable[str],
        *,
        documents: Iterable[bytes] = (),
        changes: Iterable[Change] = (),
    ) -> Image:
        """Makes a drafted image, its layers and its names durable in one transaction; the image as it is now."""
        more, kept = builtins.list(changes), [data, *documents]

        async def work() -> Image:
            with self.content.pinned(*(digests.of(one) for one in kept)):
                return await pinned()

        async def pinned() -> Image:
            fresh = [chain for chain in chain_ids(image.diff_ids) if chain in self._fresh]
            await in_thread("sync", lambda: self._make_durable(kept, bool(fresh)))
            now = self.clock.now()
            stored = self._catalog.images.get(image.id, image)
            named = {name: Name(image.id, now) for name in names}
            await self._write(
                [
                    *(Change("layer", chain, msgspec.json.encode(self.layers.stack(chain)[-1])) for chain in fresh),
                    Change("image", image.id, msgspec.json.encode(_bare(stored))),
                    *(Change(_kind(ref), ref, msgspec.json.encode(name)) for ref, name in named.items()),
                    *more,
                ]
            )
            self._fresh.difference_update(fresh)
            if image.id not in self._catalog.images:
                self.layers.hold(top(image))
                self._catalog.add(image)
            for ref, name in named.items():
                self._catalog.set_name(ref, name)
            return self._catalog.images[image.id]

        return await self._alone(work)

    async def keep(self, names: Mapping[str, str]) -> None:
        """Keeps layers for somebody whose records need them: a name for each, and its chain id. Durable when it
        returns, with the layers below. They are there; the caller holds them until then."""

        async def work() -> None:
            fresh = {layer.chain: layer for chain in names.values() for layer in self.layers.stack(chain)}
            fresh = {chain: layer for chain, layer in fresh.items() if chain in self._fresh}
            if fresh:
                await in_thread("sync", lambda: self._make_durable((), True))
            changes = [Change("layer", chain, msgspec.json.encode(layer)) for chain, layer in fresh.items()]
            await self._write([*changes, *(Change(HOLD, name, chain.encode()) for name, chain in names.items())])
            self._fresh.difference_update(fresh)
            for name, chain in names.items():
                self.layers.hold(chain)
                if name in self._kept:
                    await self._forget(self.layers.release(self._kept[name]))
                self._kept[name] = chain

        await self._alone(work)

    async def unkeep(self, names: Iterable[str]) -> int:
        """Takes names of `keep` away; layers that nobody else needs are deleted. The bytes of those. Unknown ones are
        fine."""
        gone = builtins.list(names)

        async def work() -> int:
            known = [name for name in gone if name in self._kept]
            if known:
                await self._write([Change(HOLD, name, None) for name in known])
            dropped = [layer for name in known for layer in self.layers.release(self._kept.pop(name))]
            await self._forget(dropped)
            return sum(layer.size for layer in dropped)

        return await self._alone(work)

    def kept(self, prefix: str) -> dict[str, str]:
        """What `keep` keeps under names that begin so."""
        return {name: chain for name, chain in self._kept.items() if name.startswith(prefix)}

    async def remember(self, changes: Callable[[], builtins.list[Change]]) -> None:
        """Writes records that belong to images there are: names with a digest, origins. `changes` is asked when it is
        its turn."""

        async def work() -> None:
            found = changes()
            if found:
                await self._write(found)
            for change in found:
                if change.kind in ("tag", "digest") and change.value is not None:
                    self._catalog.set_name(change.key, msgspec.json.decode(change.value, type=Name))

        await self._alone(work)

    def _make_durable(self, documents: Iterable[bytes], whole: bool) -> None:
        """The configuration and its like; and with `whole` all files that were unpacked. Blocking."""
        for data in documents:
            self.content.put(data)
        if whole:
            fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if libc.syncfs(fd) != 0:
                    raise libc.failure(f"sync {self._root}")
            finally:
                os.close(fd)

    # Giving images out.

    def chosen(self, refs: Iterable[str]) -> builtins.list[Image]:
        """The images that `save` gives for these names. NotFound."""
        return [self._catalog.images[id] for id in choose(self._catalog, refs)]

    def save(self, refs: Iterable[str]) -> AsyncGenerator[bytes, None]:
        """An archive of images (`docker save`). A repository without a tag means all its tags. NotFound at once."""
        chosen = choose(self._catalog, refs)
        return self._save([Chosen(self._catalog.images[i], self.content.read(i), n) for i, n in chosen.items()])

    async def _save(self, chosen: builtins.list[Chosen]) -> AsyncGenerator[bytes, None]:
        held = [top(one.image) for one in chosen]
        for chain in held:
            self.layers.hold(chain)
        try:
            async with aclosing(produce(lambda write: save(write, chosen, self.layers), name="save")) as stream:
                async for chunk in stream:
                    yield chunk
        finally:
            for chain in held:
                await self.release(chain)

    # Containers' root file systems.

    def prepare(self, container_id: str, image_id: str) -> None:
        """Makes a container's writable layer and pins its image's layers. Fast, not synced. Conflict if it is there."""
        self.rootfs.prepare(container_id, top(self.get(image_id)))

    def prepare_on(self, container_id: str, chain: str, places: Mapping[str, str] | None = None) -> None:
        """The same on a stack of layers, with mount points of its own (see `RootFilesystems.prepare`)."""
        self.rootfs.prepare(container_id, chain, places)

    async def discard(self, container_id: str) -> None:
        """Deletes a container's writable layer, and layers that nobody else needs. Unmount first. Unknown is fine."""
        found = self.rootfs.discard(container_id)
        if found is not None:
            bury, chain = found
            await self.release(chain)
            await asyncio.to_thread(bury)

    # Inside.

    async def _alone(self, work: Callable[[], Awaitable[T]]) -> T:
        """One change at a time, each to its end: a caller who goes away must not part memory from the record."""

        async def locked() -> T:
            async with self._lock:
                return await work()

        return await asyncio.shield(asyncio.ensure_future(locked()))

    async def _write(self, changes: builtins.list[Change]) -> None:
        await asyncio.to_thread(self._records.write, changes)
        self.origins.apply(changes)

    async def release(self, chain: str) -> None:
        """One less needs a layer; what nobody needs any more is deleted."""

        async def work() -> None:
            await self._forget(self.layers.release(chain))

        if chain:
            await self._alone(work)

    async def _forget(self, layers: builtins.list[Layer]) -> None:
        """Deletes layers that left the index: first the records, so that a crash in between leaves only strays."""
        if not layers:
            return
        recorded = [layer for layer in layers if layer.chain not in self._fresh]
        self._fresh.difference_update(layer.chain for layer in layers)
        left = self.layers.diffs()
        changes = [Change("layer", layer.chain, None) for layer in recorded]
        changes += self.origins.forget(diff_ids={layer.diff for layer in layers} - left)
        if changes:
            await self._write(changes)
        await in_thread("remove-layers", lambda: self.layers.remove(layers))


def _remove_all(paths: Iterable[str]) -> None:
    for path in paths:
        try:
            remove_tree(path)
        except OSError as error:  # the next start tries again
            log.warning("could not remove the leftover %s: %s", path, error)


def _kind(ref: str) -> str:
    return "digest" if "@" in ref else "tag"


def _bare(image: Image) -> Image:
    """Without its names, which have records of their own."""
    return replace(image, tags=[], digests=[], tagged_at=0)
