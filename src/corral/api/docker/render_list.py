"""A container as `ps` shows it: one line's worth, with the status in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corral.api.docker.render import mount_point
from corral.api.docker.render_network import networks
from corral.api.docker.units import human_duration
from corral.engine.listing import shown_ports
from corral.kit.clock import SECOND
from corral.model.container import Container, State

Json = dict[str, Any]


def summary(
    container: Container,
    now: int,
    image: str,
    version: tuple[int, int],
    network_ids: Mapping[str, str],
    sizes: tuple[int, int] | None = None,
    links: Sequence[str] = (),
) -> Json:
    """Pure. `image` is what to call the image now; `sizes` (written, whole) only where asked for; `links` are what
    others call it."""
    spec = container.spec
    host: Json = {"NetworkMode": "bridge" if spec.network.mode == "default" else spec.network.mode}
    if spec.annotations and version >= (1, 46):
        host["Annotations"] = spec.annotations
    shown: Json = {
        "Id": container.id,
        "Names": [f"/{container.name}", *links],
        "Image": image,
        "ImageID": container.image_id,
        "Command": command(container.path, container.args),
        "Created": container.created // SECOND,
        "Ports": ports(container),
    }
    for name, size in zip(("SizeRw", "SizeRootFs"), sizes or (), strict=False):
        if size:
            shown[name] = size
    return shown | {
        "Labels": spec.labels,
        "State": container.state.status,
        "Status": status(container.state, now),
        "HostConfig": host,
        "NetworkSettings": {"Networks": networks(container, network_ids)},
        "Mounts": [mount_point(point) for point in container.mount_points],
    }


def command(path: str, args: list[str]) -> str:
    """
    >>> command("sh", ["-c", "echo hi"])
    "sh -c 'echo hi'"
    """
    return " ".join([path, *(f"'{arg}'" if " " in arg else arg for arg in args)])


def ports(container: Container) -> list[Json]:
    shown: list[Json] = []
    for port in shown_ports(container):
        entry: Json = {"IP": port.address} if port.address else {}
        entry["PrivatePort"] = port.private
        if port.public:
            entry["PublicPort"] = port.public
        shown.append({**entry, "Type": port.protocol})
    return shown


def status(state: State, now: int) -> str:
    """Pure: what became of it, and how long ago.

    >>> ago = 1_700_000_000 * SECOND
    >>> status(State("running", started_at=ago), ago), status(State("paused", started_at=ago), ago + 120 * SECOND)
    ('Up Less than a second', 'Up 2 minutes (Paused)')
    >>> status(State("exited", exit_code=3, started_at=ago, finished_at=ago), ago + 3 * SECOND)
    'Exited (3) 3 seconds ago'
    """
    since = human_duration(now - state.started_at)
    ended = f"({state.exit_code}) {human_duration(now - state.finished_at)} ago"
    if state.status == "running":
        return f"Up {since} ({_health(state.health.status)})" if state.health else f"Up {since}"
    return {
        "paused": f"Up {since} (Paused)",
        "restarting": f"Restarting {ended}",
        "removing": "Removal In Progress",
        "dead": "Dead",
        "created": "Created",
        "exited": f"Exited {ended}" if state.finished_at else "",
    }[state.status]


def _health(status: str) -> str:
    return "health: starting" if status == "starting" else status
