"""A container of a pod in the engine's words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corral.cluster.kubelet.containers.expansion import expand
from corral.cluster.kubelet.containers.limits import plan_container_limits, plan_oom_score
from corral.cluster.kubelet.containers.security import check_non_root, plan_security, plan_user
from corral.cluster.kubelet.naming import UNLISTED, container_labels
from corral.cluster.kubelet.pods import own_users
from corral.model.container import ContainerSpec, HealthCheck, Mount, Namespaces, NetworkSpec
from corral.model.space import Space

Object = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a container is to run. `pid` is the mode of its pid namespace; `memory` is the node's, in bytes."""

    space: Space
    hostname: str
    pid: str = ""
    memory: int = 1
    runtime: str = ""


def plan_container_spec(
    pod: Object,
    container: Object,
    attempt: int,
    place: Place,
    *,
    env: Mapping[str, str],
    mounts: Sequence[Mount],
    image: str,
    image_user: str,
    read_profile: Callable[[str], str],
) -> ContainerSpec:
    """`image` is what the engine calls it; `image_user` the user that it names. BadConfig.

    A command replaces the image's entrypoint and its arguments; arguments alone only these.

    >>> pod = {"metadata": {"name": "web", "namespace": "d", "uid": "u"}, "spec": {"containers": [{}]}}
    >>> made = plan_container_spec(pod, {"name": "a", "image": "x", "args": ["$(N)"]}, 0,
    ...     Place(Space("f00", None), "web"), env={"N": "7"}, mounts=[], image="x", image_user="", read_profile=str)
    >>> made.entrypoint, made.command, made.network.mode
    (None, ['7'], 'space:f00')
    """
    check_non_root(pod, container, image_user)
    user, groups = plan_user(pod, container, image_user)
    command, args = container.get("command"), container.get("args")
    mode = f"space:{place.space.id}"
    stop = (container.get("lifecycle") or {}).get("stopSignal") or ""
    return ContainerSpec(
        image=image,
        entrypoint=[expand(word, env) for word in command] if command else None,
        command=[expand(word, env) for word in args] if args else None,
        env=[f"{name}={value}" for name, value in env.items()],
        workdir=container.get("workingDir") or "",
        user=user,
        groups=groups,
        tty=bool(container.get("tty")),
        stdin_open=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        init=False,
        hostname=place.hostname,
        labels=container_labels(pod, container, attempt, place.space.id),
        unlisted=UNLISTED,
        stop_signal=stop,
        stop_timeout=int(pod["spec"].get("terminationGracePeriodSeconds", 30)),
        health=HealthCheck(["NONE"]),
        security=plan_security(pod, container, read_profile),
        namespaces=Namespaces(pid=place.pid, ipc=mode, uts=mode, user=mode if own_users(pod) else "host"),
        runtime=place.runtime,
        resources=plan_container_limits(container),
        oom_score_adj=plan_oom_score(pod, container, place.memory),
        cgroup_parent=place.space.group,
        mounts=list(mounts),
        network=NetworkSpec(mode),
    )
