"""The volumes of one pod: made before its containers start, kept up to date, taken away when the pod is gone."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from corral.cluster.client.protocol import Client, Collection
from corral.cluster.kubelet.errors import NotMounted
from corral.cluster.kubelet.settings import Settings
from corral.cluster.kubelet.sources import Sources
from corral.cluster.kubelet.volumes import atomic, hostpath, nfs
from corral.cluster.kubelet.volumes.claims import bound_to, claim_name, source_of
from corral.cluster.kubelet.volumes.kinds import FROM_API, kind_of
from corral.cluster.kubelet.volumes.projection import Known, plan_files, plan_wanted
from corral.cluster.kubelet.volumes.tokens import Issue, Tokens
from corral.engine.engine import Engine
from corral.errors import CorralError
from corral.linux import mounts
from corral.linux.tree import remove_tree
from corral.model.kubernetes.quantity import parse
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

CLAIMS: Final = Collection("", "v1", "persistentvolumeclaims")
VOLUMES: Final = Collection("", "v1", "persistentvolumes")


class PodVolumes:
    """`places` and `read_only` are known once `set_up` has returned."""

    def __init__(
        self, uid: str, client: Client, engine: Engine, sources: Sources, issue: Issue, settings: Settings,
        allocatable: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._uid, self._client, self._engine, self._sources = uid, client, engine, sources
        self._tokens, self._allocatable = Tokens(issue), allocatable
        self.root, self.run = f"{settings.root}/pods/{uid}", f"{settings.run}/pods/{uid}"
        self.places: dict[str, str] = {}
        self.read_only: frozenset[str] = frozenset()
        self._held = AsyncExitStack()

    def empty_place(self, name: str) -> str:
        """Where an empty directory on the disk is, made or not."""
        return f"{self.root}/volumes/{name}"

    async def set_up(self, pod: Object) -> None:
        """Makes what is not there yet, but for images: these come when a container needs them, as its own does.
        NotMounted names the volume; StatusError."""
        for volume in pod["spec"].get("volumes") or ():
            name = volume["name"]
            if name in self.places or kind_of(volume) == "image":
                continue
            try:
                self.places[name] = await self._make(pod, volume)
            except NotMounted as error:
                raise NotMounted(f'MountVolume.SetUp failed for volume "{name}" : {error.message}') from error
            except StatusError as error:
                raise NotMounted(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
            except OSError as error:
                raise NotMounted(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    async def _make(self, pod: Object, volume: Object) -> str:
        kind, name = kind_of(volume), volume["name"]
        group = fs_group(pod)
        if kind in FROM_API:
            place = f"{self.run}/volumes/{name}"
            await self._write(pod, volume, place)
            return place
        if kind == "emptyDir":
            return await asyncio.to_thread(self._empty, volume.get("emptyDir") or {}, name, group)
        if kind == "hostPath":
            return await asyncio.to_thread(hostpath.prepare, volume["hostPath"])
        if kind == "nfs":
            return await self._nfs(volume, volume["nfs"])
        return await self._claimed(pod, volume, group)

    async def _claimed(self, pod: Object, volume: Object, group: int) -> str:
        claim = await self._client.get(CLAIMS, claim_name(pod, volume), pod["metadata"]["namespace"])
        found = source_of(await self._client.get(VOLUMES, bound_to(claim)))
        if (volume.get("persistentVolumeClaim") or {}).get("readOnly"):
            self.read_only |= {volume["name"]}
        if found.kind == "nfs":
            return await self._nfs(volume, found.source, found.options)
        place = await asyncio.to_thread(hostpath.prepare, found.source)
        if found.grouped and group >= 0:
            await asyncio.to_thread(give, place, group)
        return place

    async def _nfs(self, volume: Object, source: Object, options: tuple[str, ...] = ()) -> str:
        """Who may do what with the files is the server's to say: fsGroup changes nothing."""
        place = f"{self.run}/nfs/{volume['name']}"
        await nfs.mount(source, place, options)
        if source.get("readOnly"):
            self.read_only |= {volume["name"]}
        return place

    async def set_up_images(self, pod: Object, container: Object) -> None:
        """Those that a container mounts, and that are there. NotMounted."""
        for volume in mounted_images(pod, container):
            if volume["name"] in self.places:
                continue
            try:
                place = await self._held.enter_async_context(self._engine.sandboxes.image(volume["image"]["reference"]))
            except CorralError as error:
                raise NotMounted(error.message) from error
            self.read_only |= {volume["name"]}
            self.places[volume["name"]] = str(place)

    def _empty(self, source: Object, name: str, group: int) -> str:
        memory = source.get("medium") == "Memory"
        if source.get("medium") not in (None, "", "Memory"):
            raise NotMounted(f"emptyDir medium {source['medium']} is not offered by this node")
        place = f"{self.run if memory else self.root}/volumes/{name}"
        os.makedirs(place, exist_ok=True)
        mode = (
            0o1777 if memory else 0o777
        )  # a tmpfs is as the kernel makes it: who may write may not delete others' files
        if memory and not mounts.is_mount(place):
            limit = parse(str(source["sizeLimit"])).ceil() if source.get("sizeLimit") else 0
            mounts.mount("tmpfs", place, "tmpfs", 0, f"mode={mode:o}" + (f",size={limit}" if limit else ""))
        os.chmod(place, mode)
        if group >= 0:
            os.chown(place, -1, group)
            os.chmod(place, mode | stat.S_ISGID)
        return place

    async def _write(self, pod: Object, volume: Object, place: str) -> None:
        wanted, namespace = plan_wanted(volume), pod["metadata"]["namespace"]
        objects = {
            (plural, name): await self._sources.get(self._uid, plural, namespace, name)
            for plural, name in sorted(wanted.objects)
        }
        tokens = {one["path"]: await self._tokens.get(pod, volume["name"], one) for one in wanted.tokens}
        files = plan_files(pod, volume, Known(objects, tokens, self._allocatable))
        await asyncio.to_thread(atomic.write, place, files, fs_group(pod))

    async def refresh(self, pod: Object) -> None:
        """What comes from the API is as it is there now. NotMounted, StatusError."""
        for volume in pod["spec"].get("volumes") or ():
            place = self.places.get(volume["name"])
            if place is not None and kind_of(volume) in FROM_API:
                await self._write(pod, volume, place)

    def due(self) -> float | None:
        """When, in seconds, a token has to be asked for anew."""
        return self._tokens.due()

    async def close(self) -> None:
        """The daemon ends: containers keep what they see, the daemon holds it no more."""
        await self._held.aclose()

    async def tear_down(self) -> None:
        """Nothing of the pod's own is left. May be called again."""
        await self.close()
        self.places = {}
        await asyncio.to_thread(self._remove)

    def _remove(self) -> None:
        nfs.unmount_all(f"{self.run}/nfs")
        mounts.unmount_under(f"{self.run}/volumes")
        for path in (self.run, self.root):
            if os.path.isdir(path):
                remove_tree(path)


def mounted_images(pod: Object, container: Object) -> list[Object]:
    """Pure: the volumes of a container that are images, and name one.

    >>> pod = {"spec": {"volumes": [{"name": "a", "image": {"reference": "x"}}, {"name": "b", "image": {}}]}}
    >>> mounted_images(pod, {"volumeMounts": [{"name": "a"}, {"name": "b"}]})
    [{'name': 'a', 'image': {'reference': 'x'}}]
    """
    wanted = {one["name"] for one in container.get("volumeMounts") or ()}
    found = (one for one in pod["spec"].get("volumes") or () if one["name"] in wanted)
    return [one for one in found if (one.get("image") or {}).get("reference")]


def fs_group(pod: Object) -> int:
    """Pure: the group that volumes are given to, -1 for none."""
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    return -1 if group is None else int(group)


def give(place: str, group: int) -> None:
    """A whole tree is the group's; links are left alone."""
    for base, _, names in os.walk(place):
        os.chown(base, -1, group)
        os.chmod(base, os.stat(base).st_mode & 0o7777 | 0o2770)
        for name in names:
            path = f"{base}/{name}"
            if not os.path.islink(path):
                os.chown(path, -1, group)
                os.chmod(path, os.stat(path).st_mode & 0o7777 | 0o660)
