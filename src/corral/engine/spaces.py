"""Spaces: what several containers share, kept by files and not by a process.

A space's directory in the volatile part has one file for each namespace, on which that is mounted, and `shm`. A
container whose network, ipc or uts mode is "space:ID" has that of the space: the host's where the space says so.
After a reboot the mounts are gone, and the next daemon forgets the space.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import msgspec
from msgspec.structs import replace

from corral.engine.named import plan_joined
from corral.engine.parts import Parts
from corral.engine.resolving import plan_resolving
from corral.engine.space_groups import limit_group
from corral.engine.space_users import choose_ids, close_views, make_views, plan_ids
from corral.errors import Conflict, CorralError, InvalidInput, NotFound, from_oserror
from corral.kit.ids import new_id
from corral.linux import mounts
from corral.linux.cgroup_end import remove_group
from corral.linux.pinning import pin, pin_mapped
from corral.linux.private import make_private
from corral.model.container import Container, Resources
from corral.model.space import Space, SpaceSpec
from corral.runtime.sysctls import check_sysctls, default_sysctls

log = logging.getLogger("corral.engine")

PREFIX = "space/"
KINDS = ("net", "ipc", "uts", "user")
PATIENCE = 10.0  # seconds for the kernel to let go of a cgroup


class Spaces:
    """The verbs on spaces. An `id` is the whole id; NotFound when there is no such space."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def list(self) -> list[Space]:
        return list(self._parts.spaces.values())

    def get(self, id: str) -> Space:
        return need_space(self._parts, id)

    async def create(self, spec: SpaceSpec) -> Space:
        """Makes a space, which is in its network when this returns. Nothing is left behind where it fails.

        InvalidInput (a parameter that is not its own), Unsupported (users of its own), NotFound (a network), Conflict
        (a port is taken), HostError.
        """
        parts = self._parts
        has = {"network": spec.network.mode != "host", "ipc": spec.ipc != "host"}
        check_sysctls(spec.sysctls, [kind for kind, own in has.items() if own])
        space = Space(new_id(), spec, parts.clock.now())
        if spec.users == "own":
            space.first_id = await asyncio.to_thread(choose_ids, parts, space)
        if spec.group:
            space.group = f"{parts.cgroup_root}/{spec.group}"
        async with AsyncExitStack() as undo:
            undo.push_async_callback(clear_space, parts, space)
            try:
                await asyncio.to_thread(_make, parts, space)
            except OSError as error:
                raise from_oserror(f"make space {spec.name}", error) from error
            await _join(parts, space)
            parts.spaces[space.id] = space
            undo.callback(parts.spaces.pop, space.id, None)
            await parts.store.commit({PREFIX + space.id: msgspec.json.encode(space)})
            undo.pop_all()
        return space

    async def remove(self, id: str) -> None:
        """Conflict while a container runs in it. One that is gone already is fine."""
        parts = self._parts
        space = parts.spaces.get(id)
        if space is None:
            return
        busy = [live.name for live in parts.registry if live.record.state.running and in_space(live.record, id)]
        if busy:
            raise Conflict(f"space {space.spec.name} is in use by {', '.join(busy)}")
        await parts.store.commit({}, [PREFIX + id])
        parts.spaces.pop(id, None)
        await clear_space(parts, space)

    async def limit(self, id: str, resources: Resources) -> None:
        """Other limits for all that is in its cgroup together."""
        parts, space = self._parts, self.get(id)
        limit_group(parts.cgroups, space.group, resources)
        space.spec = replace(space.spec, resources=resources)
        await parts.store.commit({PREFIX + id: msgspec.json.encode(space)})

    async def mend(self, id: str) -> bool:
        """Gives back what its network namespace lost with an interface that was set down inside; whether it had to.
        NotFound, HostError."""
        with self.network(id) as fd:
            return await self._parts.networks.mend(id, fd)

    @contextmanager
    def network(self, id: str) -> Iterator[int]:
        """A descriptor of its network namespace for the while."""
        space = self.get(id)
        path = f"{self._parts.paths.space(id)}/net" if space.own_network else "/proc/self/ns/net"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise from_oserror(f"open {path}", error) from error
        try:
            yield fd
        finally:
            os.close(fd)


def need_space(parts: Parts, id: str) -> Space:
    found = parts.spaces.get(id)
    if found is None:
        raise NotFound(f"no such space: {id}")
    return found


def in_space(record: Container, id: str) -> bool:
    """Pure: whether a container uses something of the space."""
    modes = record.spec.namespaces
    return f"space:{id}" in (record.spec.network.mode, modes.ipc, modes.uts, modes.user)


def _make(parts: Parts, space: Space) -> None:
    spec, place = space.spec, parts.paths.space(space.id)
    make_private(place, space.first_id or None)  # its root has to walk to what all its containers share
    kinds = (["net", "uts"] if space.own_network else []) + (["ipc"] if space.own_ipc else [])
    if kinds:
        defaults = parts.default_sysctls if space.own_network else {}
        places = {kind: f"{place}/{kind}" for kind in kinds}
        if space.first_id:
            places["user"] = f"{place}/user"
            own = default_sysctls(user_namespace=True) if space.own_network else {}
            pin_mapped(places, plan_ids(space.first_id), hostname=spec.hostname, sysctls={**own, **spec.sysctls})
            make_views(parts, space)
        else:
            pin(places, hostname=spec.hostname, sysctls={**defaults, **spec.sysctls})
    if space.own_ipc:
        os.mkdir(f"{place}/shm")
        flags = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC
        mounts.mount("shm", f"{place}/shm", "tmpfs", flags, _shm_options(parts, space))
    if space.group:
        parts.cgroups.create(space.group)
        limit_group(parts.cgroups, space.group, spec.resources)


def _shm_options(parts: Parts, space: Space) -> str:
    owner = f",uid={space.first_id},gid={space.first_id}" if space.first_id else ""
    return f"mode=1777,size={space.spec.shm_size or parts.config.shm_size}{owner}"


async def _join(parts: Parts, space: Space) -> None:
    network = space.spec.network
    if network.mode in ("host", "none"):
        return
    fd = os.open(f"{parts.paths.space(space.id)}/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        space.endpoints, space.ports = await parts.networks.attach(
            space.id,
            fd,
            plan_joined(parts.networks.info(), network),
            ports=network.ports,
            hostname=space.spec.hostname,
            name=space.spec.name,
            resolving=plan_resolving(network, parts.config),
        )
    finally:
        os.close(fd)


async def clear_space(parts: Parts, space: Space) -> None:
    """Takes a space off the host. May be called again on what is half gone; what fails is logged."""
    steps: list[Callable[[], Awaitable[None]]] = [lambda: parts.networks.detach(space.id, unplug=True)]
    if space.group:
        steps.append(lambda: remove_group(parts.cgroups, space.group, PATIENCE))
    steps.append(lambda: asyncio.to_thread(_unmake, parts.paths.space(space.id)))
    for step in steps:
        try:
            await step()
        except CorralError as error:
            log.error("space %s: %s", space.spec.name, error.message)


def _unmake(place: str) -> None:
    close_views(place)
    for name in (*KINDS, "shm"):
        if os.path.lexists(f"{place}/{name}") and mounts.is_mount(f"{place}/{name}"):
            mounts.unmount(f"{place}/{name}", lazy=True)
    shutil.rmtree(place, ignore_errors=True)


async def adopt_spaces(parts: Parts) -> None:
    """Called once, before containers are taken over: spaces that are there still, and the rest of others is removed."""
    for entry in (await parts.store.range(PREFIX)).entries:
        space = msgspec.json.decode(entry.value, type=Space)
        try:
            if not await _take_back(parts, space):
                await parts.store.commit({}, [PREFIX + space.id])
                await clear_space(parts, space)
        except CorralError as error:
            log.error("space %s could not be taken over: %s", space.spec.name, error.message)
    base = f"{parts.paths.run}/s"
    for id in set(os.listdir(base) if os.path.isdir(base) else ()) - set(parts.spaces):
        await asyncio.to_thread(_unmake, f"{base}/{id}")


async def _take_back(parts: Parts, space: Space) -> bool:
    """False where a reboot has ended it."""
    place = parts.paths.space(space.id)
    kept = [f"{place}/user"] if space.first_id else []
    kept += [f"{place}/{kind}" for kind, own in (("net", space.own_network), ("ipc", space.own_ipc)) if own]
    if not all(mounts.is_mount(path) for path in kept) or not os.path.isdir(place):
        return False
    parts.spaces[space.id] = space
    if space.endpoints:
        fd = os.open(f"{place}/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            left = await parts.networks.restore(
                space.id,
                space.endpoints,
                space.ports,
                name=space.spec.name,
                hostname=space.spec.hostname,
                asked=space.spec.network.ports,
                netns=fd,
                resolving=plan_resolving(space.spec.network, parts.config),
            )
        finally:
            os.close(fd)
        for name in left:
            log.warning("space %s is no longer in network %s", space.spec.name, name)
            del space.endpoints[name]
    return True


def space_id(mode: str) -> str:
    """Pure: the id in "space:ID", "" for any other mode.

    >>> space_id("space:f00"), space_id("container:f00")
    ('f00', '')
    """
    return mode.removeprefix("space:") if mode.startswith("space:") else ""


def check_mode(parts: Parts, mode: str) -> None:
    """InvalidInput for a space that is not there."""
    id = space_id(mode)
    if id:
        try:
            need_space(parts, id)
        except NotFound as error:
            raise InvalidInput(error.message) from error


def space_namespace(parts: Parts, mode: str, kind: str) -> str | None:
    """The path of a namespace of the space's; None where that is the host's."""
    space = need_space(parts, space_id(mode))
    own = space.own_ipc if kind == "ipc" else space.own_network
    return f"{parts.paths.space(space.id)}/{kind}" if own else None


def space_memory(parts: Parts, mode: str) -> str:
    """The directory of the host that is /dev/shm of all in the space."""
    space = need_space(parts, space_id(mode))
    return f"{parts.paths.space(space.id)}/shm" if space.own_ipc else "/dev/shm"
