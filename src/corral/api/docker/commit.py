"""Making an image from a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corral.api.docker.answers import reply
from corral.api.docker.at import json_body
from corral.api.docker.bodies import CreateRequest
from corral.api.docker.changes import apply_changes
from corral.api.docker.check_config import check_config
from corral.api.docker.gojson import decode
from corral.api.docker.netspec import exposed_ports
from corral.api.docker.process import health_of
from corral.api.docker.references import with_tag
from corral.api.docker.settings import Config
from corral.engine.commit import CommitRequest, image_config
from corral.engine.merge import merge_health
from corral.http.message import Request, Response
from corral.model.image import ImageConfig

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi


async def container_commit(api: DockerApi, request: Request) -> Response:
    asked_for, query = parse_config(await json_body(request)), request.query
    container = api.engine.containers.get(query.get("container"))
    own = image_config(container)
    config = merge(apply_changes(asked_for or own, query.all("changes")), own)
    asked = CommitRequest(
        ref=with_tag(query.get("repo"), query.get("tag")),
        comment=query.get("comment"),
        author=query.get("author"),
        pause=query.flag("pause", True),
        config=config,
    )
    return reply({"Id": await api.engine.containers.commit(container.id, asked)}, 201)


def parse_config(body: bytes) -> ImageConfig | None:
    """Pure: the configuration that a body asks for; None where it says nothing."""
    if not body.strip() or body.strip() == b"null":
        return None
    config, _ = decode(body, CreateRequest)
    config.HostConfig = config.NetworkingConfig = None
    if config == CreateRequest():
        return None
    check_config(config)
    return config_of(config)


def config_of(config: Config) -> ImageConfig:
    """Pure: of a container's configuration, what an image can have."""
    return ImageConfig(
        user=config.User,
        exposed_ports=exposed_ports(config.ExposedPorts),
        env=config.Env,
        entrypoint=config.Entrypoint,
        command=config.Cmd,
        volumes=config.Volumes,
        workdir=config.WorkingDir,
        labels=config.Labels,
        stop_signal=config.StopSignal,
        health=health_of(config.Healthcheck),
        on_build=config.OnBuild or [],
        shell=config.Shell,
        args_escaped=config.ArgsEscaped,
    )


def merge(mine: ImageConfig, base: ImageConfig) -> ImageConfig:
    """Pure: what `mine` leaves open comes from `base`; the base's command only without an entrypoint of one's own.

    >>> merged = merge(ImageConfig(env=["A=1"], command=["b"]), ImageConfig(env=["A=0", "B=2"], entrypoint=["sh"]))
    >>> merged.env, merged.entrypoint, merged.command
    (['A=1', 'B=2'], ['sh'], ['b'])
    """
    names = {entry.partition("=")[0] for entry in mine.env}
    entrypoint, command = mine.entrypoint, mine.command
    if not entrypoint:
        command = command or base.command
        entrypoint = base.entrypoint if entrypoint is None else entrypoint
    return ImageConfig(
        user=mine.user or base.user,
        exposed_ports=list(dict.fromkeys([*mine.exposed_ports, *base.exposed_ports])),
        env=mine.env + [entry for entry in base.env if entry.partition("=")[0] not in names],
        entrypoint=entrypoint,
        command=command,
        volumes=list(dict.fromkeys([*mine.volumes, *base.volumes])),
        workdir=mine.workdir or base.workdir,
        labels=base.labels | mine.labels,
        stop_signal=mine.stop_signal or base.stop_signal,
        health=merge_health(mine.health, base.health),
        on_build=mine.on_build,
        shell=mine.shell,
        args_escaped=mine.args_escaped,
    )
