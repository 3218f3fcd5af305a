"""Starting one container of a pod: its image, its environment, its mounts, and what comes after the start."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Awaitable, Callable, Set
from contextlib import suppress
from typing import Any, NamedTuple

from corral.cluster.kubelet.containers.environment import plan_environment, references
from corral.cluster.kubelet.containers.services import plan_service_env
from corral.cluster.kubelet.containers.spec import Place, plan_container_spec
from corral.cluster.kubelet.errors import BadConfig, CannotStart
from corral.cluster.kubelet.images import shown_id, shown_name
from corral.cluster.kubelet.naming import container_name
from corral.cluster.kubelet.pods import Member
from corral.cluster.kubelet.shared import Shared
from corral.cluster.kubelet.volumes.manager import mounted_images
from corral.cluster.kubelet.volumes.mounting import plan_mounts
from corral.errors import CorralError, NotFound
from corral.linux.rooted import make_directories, open_in_root, open_root
from corral.model.container import Mount

Object = dict[str, Any]


class Made(NamedTuple):
    """A container that is ready to be started. `image`, `image_id`: how its status names the image."""

    id: str
    image: str
    image_id: str


class Ground(NamedTuple):
    """What the pod has for its containers. `files`: target -> path; `places`, `read_only`: its volumes."""

    place: Place
    files: dict[str, str]
    places: dict[str, str]
    read_only: frozenset[str]
    root: str


async def make(shared: Shared, pod: Object, one: Member, number: int, lay: Callable[[], Awaitable[Ground]]) -> Made:
    """`lay` makes the ground ready once the image is there. CannotStart, in the words that the status shows."""
    uid, container = pod["metadata"]["uid"], one.spec
    secrets = await pull_secrets(shared, pod)
    image = await shared.puller.ensure(pod, one, secrets)
    shared.collector.wanted(image.id)
    volumes = mounted_images(pod, container)
    for volume in volumes:
        source = volume["image"]
        wanted = {"image": source["reference"], "imagePullPolicy": source.get("pullPolicy")}
        mounted = await shared.puller.ensure(pod, Member("volume", {"name": volume["name"], **wanted}), secrets)
        shared.collector.wanted(mounted.id)
    ground, env = await lay(), await environment(shared, pod, container)
    mounts = plan_mounts(container, ground.places, ground.files, env, ground.read_only)
    make_parts(mounts, {ground.places[volume["name"]] for volume in volumes})
    mounts.append(_termination_log(container, ground.root, number))
    spec = plan_container_spec(
        pod,
        container,
        number,
        ground.place,
        env=env,
        mounts=[mount for mount in mounts if mount.source],
        image=container["image"],
        image_user=image.config.user,
        read_profile=lambda name: _read_profile(shared.settings.seccomp, name),
    )
    spec = await shared.devices.inject(pod, container, spec)
    name = container_name(pod, one.name, number)
    with suppress(NotFound):  # made by a daemon that was killed before it could start it
        await shared.engine.containers.remove(name, force=True, volumes=True)
    try:
        created = await shared.engine.containers.create(spec, name)
    except CorralError as error:
        raise CannotStart("CreateContainerError", error.message) from error
    shared.index.add(uid, created.id)
    return Made(created.id, shown_name(image, container["image"]), shown_id(image, container["image"]))


async def pull_secrets(shared: Shared, pod: Object) -> list[Object]:
    """Those that are there: a missing one is no reason not to try."""
    meta, found = pod["metadata"], []
    for ref in pod["spec"].get("imagePullSecrets") or ():
        if ref.get("name"):
            secret = await shared.sources.get(meta["uid"], "secrets", meta["namespace"], ref["name"])
            if secret is None:
                message = f"Unable to retrieve some image pull secrets ({ref['name']}); "
                message += "attempting to pull the image may not succeed."
                shared.events.warning(pod, "FailedToRetrieveImagePullSecret", message)
            else:
                found.append(secret)
    return found


async def environment(shared: Shared, pod: Object, container: Object) -> dict[str, str]:
    """BadConfig."""
    meta, wanted = pod["metadata"], references(container)
    names = [("configmaps", name) for name in wanted.config_maps] + [("secrets", name) for name in wanted.secrets]
    found = {
        (plural, name): await shared.sources.get(meta["uid"], plural, meta["namespace"], name) for plural, name in names
    }
    links = pod["spec"].get("enableServiceLinks")
    services = plan_service_env(shared.services.all(), meta["namespace"], links=links is None or bool(links))
    return plan_environment(pod, container, found, services, shared.allocatable)


def make_parts(mounts: list[Mount], images: Set[str]) -> None:
    """Parts of volumes that are not there yet become directories, whatever links lie in the volume. Who may write to
    the volume may write to the part: it gets the volume's permissions. A part that an image has not is a mistake.
    BadConfig, CannotStart."""
    for mount in mounts:
        if not mount.subpath:
            continue
        try:
            root = open_root(mount.source)
        except OSError as error:
            raise BadConfig(f"failed to prepare subPath for volumeMount {mount.target}: {error}") from error
        try:
            if not _exists(root, mount.subpath):
                if mount.source in images:
                    part = f"subPath {mount.subpath} of volumeMount {mount.target}"
                    raise CannotStart("CreateContainerError", f"{part}: the image has no such file or directory")
                _make(root, mount.subpath)
        except FileExistsError as error:
            why = f"{mount.subpath}: a link there leads out of the volume, or to nothing"
            raise BadConfig(f"failed to create subPath directory for volumeMount {mount.target}: {why}") from error
        except OSError as error:
            raise BadConfig(f"failed to create subPath directory for volumeMount {mount.target}: {error}") from error
        finally:
            os.close(root)


def _make(root: int, path: str) -> None:
    """The last directory has the permissions of the root, whatever the umask. OSError."""
    mode = stat.S_IMODE(os.fstat(root).st_mode)
    make_directories(root, path, mode)
    made = open_in_root(root, path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fchmod(made, mode)
    finally:
        os.close(made)


def _exists(root: int, path: str) -> bool:
    try:
        os.close(open_in_root(root, path, os.O_PATH))
    except FileNotFoundError:
        return False
    return True


def _termination_log(container: Object, root: str, number: int) -> Mount:
    """A file of its own for each attempt, which anybody in the container may write."""
    place = f"{root}/containers/{container['name']}"
    os.makedirs(place, mode=0o755, exist_ok=True)
    path = f"{place}/{number}"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o666))
    os.chmod(path, 0o666)
    return Mount("bind", container.get("terminationMessagePath") or "/dev/termination-log", path)


def _read_profile(base: str, name: str) -> str:
    if not name or name.startswith("/") or ".." in re.split("/", name):
        raise BadConfig(f'seccomp profile "{name}" must be a relative path')
    try:
        with open(f"{base}/{name}") as file:
            return file.read()
    except OSError as error:
        text = f"cannot load seccomp profile {base}/{name}: {(error.strerror or '').lower()}"
        raise CannotStart("CreateContainerError", text) from error
