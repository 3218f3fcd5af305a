"""The process that keeps a pid namespace for all containers of a pod: only where the pod asks for one."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from typing import Any, Final

from corral.cluster.kubelet.naming import TYPE, UNLISTED, container_name, pod_labels
from corral.cluster.kubelet.pods import own_users
from corral.cluster.kubelet.shared import Shared
from corral.cluster.kubelet.worker.pause_program import program
from corral.errors import NotFound
from corral.model.container import ContainerSpec, HealthCheck, LogSpec, Mount, Namespaces, NetworkSpec

Object = dict[str, Any]

TARGET: Final = "/pause"


async def ensure_pause(shared: Shared, pod: Object, space: str) -> str:
    """The id of the running process's container. CorralError."""
    name, engine = container_name(pod, "POD", 0), shared.engine
    with suppress(NotFound):
        known = engine.containers.get(name)
        if known.state.running and known.spec.network.mode == f"space:{space}":
            return known.id
        await engine.containers.remove(name, force=True)
    mode = f"space:{space}"
    spec = ContainerSpec(
        image=pod["spec"]["containers"][0]["image"],
        entrypoint=[TARGET],
        user="0",
        init=False,
        stop_signal="SIGKILL",  # as a first process it would not hear another
        labels=pod_labels(pod) | {TYPE: "podsandbox"},
        unlisted=UNLISTED,
        health=HealthCheck(["NONE"]),
        namespaces=Namespaces(ipc=mode, uts=mode, user=mode if own_users(pod) else "host"),
        cgroup_parent=engine.spaces.get(space).group,
        mounts=[Mount("bind", TARGET, _place(shared.settings.root), read_only=True)],
        network=NetworkSpec(mode),
        log=LogSpec("none"),
    )
    created = await engine.containers.create(spec, name)
    await engine.containers.start(created.id)
    return created.id


def _place(root: str) -> str:
    """Where the program lies: on a file system that programs may be run from, as a volatile one often is not."""
    path = f"{root}/pause"
    if not os.path.exists(path):
        os.makedirs(root, exist_ok=True)
        with open(f"{path}.new", "wb") as file:
            file.write(program(platform.machine()))
        os.chmod(f"{path}.new", 0o755)
        os.rename(f"{path}.new", path)
    return path


async def remove_pause(shared: Shared, pod: Object) -> None:
    """One that was never made is fine."""
    with suppress(NotFound):
        await shared.engine.containers.remove(container_name(pod, "POD", 0), force=True, volumes=True)
