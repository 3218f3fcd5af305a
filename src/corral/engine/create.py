"""Making a container: everything is checked and reserved, nothing runs yet."""

from __future__ import annotations

import os
import random
from contextlib import AsyncExitStack, suppress

from msgspec.structs import replace

from corral.engine.access import mounted_rootfs
from corral.engine.check import check
from corral.engine.image_mounts import find_images, prepare_images
from corral.engine.links import known_links, resolve_links
from corral.engine.logs import log_policy
from corral.engine.merge import plan_merge
from corral.engine.mounts import (
    check_bind_source,
    plan_mount_points,
    plan_propagation,
    read_mounts,
    split_from,
)
from corral.engine.named import check_joined, is_named, known_name
from corral.engine.names import new_name
from corral.engine.namespaces import BORROWED, donor_of
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remove import volume_users
from corral.engine.spaces import check_mode
from corral.errors import Conflict, InvalidInput, NotFound, from_oserror
from corral.kit.ids import new_id, short
from corral.linux.rooted import make_directories, open_root
from corral.logs.details import check_details
from corral.model.container import (
    Container,
    ContainerSpec,
    EndpointSpec,
    MountPoint,
    Namespaces,
    NetworkSpec,
    State,
    Struct,
)
from corral.model.image import Image
from corral.networks.choose import check_endpoint
from corral.networks.places import plain


class Created(Struct):
    id: str
    warnings: list[str] = []


async def create(parts: Parts, spec: ContainerSpec, name: str = "") -> Created:
    """Makes a container. Nothing is left behind where it fails.

    NotFound (image, container to share with), Conflict (name taken), InvalidInput, Unsupported, HostError.
    """
    image = parts.images.get(spec.image)
    if name and spec.network.mode == f"container:{name}":
        raise InvalidInput("cannot join own network")
    id = new_id()
    spec, warnings = check(parts, complete(parts, plan_merge(spec, image.config), id))
    others = [(_other(parts, ref).record, read_only) for ref, read_only in map(split_from, spec.volumes_from)]
    points = find_images(parts.images, plan_mount_points(spec, others, new_id))
    if any(point.type == "bind" for point in points):
        ours, mounts = (parts.paths.root, parts.paths.run), read_mounts()
        points = [plan_propagation(point, ours, mounts) for point in points]
    binds = [point for point in points if point.type == "bind"]
    devices = any(os.path.normpath(point.target) in ("/dev", "/dev/null") for point in binds)
    name = name or new_name(parts.registry.name_taken, random.Random())
    command = [*(spec.entrypoint or []), *(spec.command or [])]
    record = Container(
        id,
        name,
        parts.clock.now(),
        image.id,
        spec,
        path=command[0],
        args=command[1:],
        state=State(),
        mount_points=points,
        runtime=parts.runtimes.choose(
            spec.runtime, [point.source for point in binds], devices=devices, ulimits=spec.ulimits
        ).name,
    )
    parts.registry.reserve(name, id)
    async with AsyncExitStack() as undo:
        undo.callback(parts.registry.release, name, id)
        try:
            live = await _make(parts, record, image, undo)
        except OSError as error:
            raise from_oserror(f"create container {name}", error) from error
        undo.pop_all()
    parts.tell(live, "create")
    return Created(id, warnings)


async def _make(parts: Parts, record: Container, image: Image, undo: AsyncExitStack) -> Live:
    for point in record.mount_points:
        check_bind_source(point)
    os.makedirs(parts.paths.state(record.id), mode=0o710)
    undo.callback(os.rmdir, parts.paths.state(record.id))
    parts.images.prepare(record.id, image.id)
    undo.push_async_callback(parts.images.discard, record.id)
    prepare_images(parts, record, undo)
    names = [point.name for point in record.mount_points if point.type == "volume"]
    for name in names:
        parts.volumes.claim(name, record.id)
    try:
        record = replace(record, mount_points=await _make_volumes(parts, record, undo))
        await _furnish(parts, record, image)
        record.ready = True
        undo.push_async_callback(parts.registry.erase, record.id)  # it may be written though we are cancelled by then
        return await parts.registry.insert(record)
    finally:
        for name in set(names):
            parts.volumes.unclaim(name, record.id)


async def _make_volumes(parts: Parts, record: Container, undo: AsyncExitStack) -> list[MountPoint]:
    """Makes the volumes that do not exist yet, and fills empty ones with what the image has in their place."""
    points = list(record.mount_points)
    wanted = [n for n, point in enumerate(points) if point.type == "volume"]
    made_now = [n for n in wanted if points[n].anonymous and not parts.volumes.exists(points[n].name)]
    if made_now:  # so that a crash from here on leaves a record that names them
        await parts.registry.save(record)
        undo.push_async_callback(parts.registry.erase, record.id)
    for n in wanted:
        point, spec = points[n], points[n].spec
        existed = parts.volumes.exists(point.name)
        volume = await parts.volumes.create(
            point.name,
            driver=(spec and spec.volume_driver) or record.spec.volume_driver or "local",
            options=spec.volume_driver_options if spec else {},
            labels=spec.volume_labels if spec else {},
            anonymous=point.anonymous,
        )
        if not existed:
            undo.push_async_callback(_unmake_volume, parts, point.name)
            parts.events.publish("volume", "create", point.name, {"driver": "local"})
        points[n] = replace(point, source=volume.mountpoint, driver=volume.driver)
    return points


async def _unmake_volume(parts: Parts, name: str) -> None:
    """Unless another container has come to use it meanwhile."""
    if not volume_users(parts, name):
        await parts.volumes.remove(name, force=True)


async def _furnish(parts: Parts, record: Container, image: Image) -> None:
    """Makes the working directory, and fills empty volumes with what the image has in their place."""
    filled = (point for point in record.mount_points if is_filled(point))
    empty = [point for point in filled if _subpath(point) or await parts.volumes.is_empty(point.name)]
    workdir = record.spec.workdir if record.spec.workdir != image.config.workdir else ""
    if not empty and not workdir.strip("/"):
        return
    async with mounted_rootfs(parts, record.id) as rootfs:
        _make_workdir(rootfs, workdir)
        for point in empty:
            await parts.volumes.copy_up(point.name, rootfs, point.target, _subpath(point))


def _subpath(point: MountPoint) -> str:
    return point.spec.subpath if point.spec else ""


def is_filled(point: MountPoint) -> bool:
    """Pure: whether it gets the image's files if it is empty: a volume of its own, unless that was not wanted.

    >>> [is_filled(MountPoint("volume", "", "/a", inherited=from_other)) for from_other in (False, True)]
    [True, False]
    """
    return point.type == "volume" and not point.inherited and not (point.spec and point.spec.no_copy)


def _make_workdir(rootfs: str, path: str) -> None:
    root = open_root(rootfs)
    try:
        make_directories(root, path)
    except (FileExistsError, NotADirectoryError):
        raise InvalidInput(f"Cannot mkdir: {path} is not a directory") from None
    finally:
        os.close(root)


def complete(parts: Parts, spec: ContainerSpec, id: str) -> ContainerSpec:
    """Fills in what depends on this host and on other containers, and refuses what does not fit together."""
    spec = replace(spec, namespaces=_resolve_namespaces(parts, spec), network=_resolve_network(parts, spec.network))
    log = spec.log
    if not log.driver:
        log = replace(log, driver=parts.config.log_driver)
    log_policy(parts, log)
    check_details(log.options)
    hostname = spec.hostname
    if not hostname:
        hostname = parts.host.hostname if spec.network.mode == "host" else short(id)
    if spec.network.mode.startswith("container:"):
        peer = parts.registry.find(spec.network.mode.removeprefix("container:"))
        hostname = hostname if peer is None else peer.record.spec.hostname
    return replace(spec, hostname=hostname, log=log, shm_size=spec.shm_size or parts.config.shm_size)


def _resolve_namespaces(parts: Parts, spec: ContainerSpec) -> Namespaces:
    """Names in "container:NAME" become ids, so that a later rename changes nothing."""
    spaces = spec.namespaces
    pid, ipc, uts = (_resolve(parts, mode) for mode in (spaces.pid, spaces.ipc, spaces.uts))
    return replace(spaces, pid=pid, ipc=ipc, uts=uts)


def _resolve(parts: Parts, mode: str) -> str:
    if not mode.startswith("container:"):
        check_mode(parts, mode)
        return mode
    return f"container:{_other(parts, mode.removeprefix('container:')).id}"


def _other(parts: Parts, ref: str) -> Live:
    """A container that is asked for as a part of this one. Not NotFound: clients take that for a missing image."""
    try:
        return parts.registry.get(ref)
    except NotFound as error:
        raise InvalidInput(error.message) from error


def _resolve_network(parts: Parts, network: NetworkSpec) -> NetworkSpec:
    """Names for networks, ids for containers. What is not there, a network or a container, has to be at the start."""
    mode = network.mode
    if not (donor := donor_of(mode)):
        check_mode(parts, mode)
    with suppress(NotFound):
        mode = f"container:{parts.registry.get(donor).id}" if donor else mode
    main, endpoints = plain(mode), network.endpoints
    if is_named(network):
        known = parts.networks.info()
        main = known_name(known, mode)
        endpoints = {known_name(known, name): how for name, how in endpoints.items()}
        there = {info.network.name: info.network for info in known}
        for name in {main, *endpoints} & {*there} - {"host", "none"} if not main.startswith("container:") else ():
            check_endpoint(there[name], endpoints.get(name, EndpointSpec()))
    check_joined(main, endpoints)
    if mode.startswith(BORROWED) and network.ports:
        raise Conflict("conflicting options: port publishing and the container type network mode")
    if network.links and main != "bridge":
        links, later = known_links(parts, network.links)
        how = endpoints.get(main, EndpointSpec())
        endpoints = {**endpoints, main: replace(how, links=list(dict.fromkeys([*how.links, *later])))}
    else:
        links = resolve_links(parts, network.links)
    return replace(network, mode=mode, links=links, endpoints=endpoints)
