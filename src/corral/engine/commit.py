"""A new image from a container."""

from __future__ import annotations

from msgspec import field

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.errors import Conflict
from corral.images.references import parse_tag
from corral.model.container import Container, Struct
from corral.model.image import ImageConfig


class CommitRequest(Struct):
    """`ref` is the new image's name or "". `config` is the new image's whole configuration (see `image_config`)."""

    ref: str = ""
    comment: str = ""
    author: str = ""
    pause: bool = True
    config: ImageConfig = field(default_factory=ImageConfig)


def image_config(record: Container) -> ImageConfig:
    """Pure: the configuration that would make the same container again."""
    spec = record.spec
    return ImageConfig(
        user=spec.user,
        exposed_ports=spec.exposed_ports,
        env=spec.env,
        entrypoint=spec.entrypoint,
        command=spec.command,
        volumes=spec.volumes,
        workdir=spec.workdir,
        labels=spec.labels,
        stop_signal=spec.stop_signal,
        health=spec.health,
        on_build=spec.on_build or [],
        shell=spec.shell,
        args_escaped=spec.args_escaped,
    )


async def commit(parts: Parts, live: Live, request: CommitRequest) -> str:
    """The new image's id. A running container is paused for the while, if asked for. Conflict while it is removed."""
    async with live.lock:
        if live.removed or live.record.state.status in ("removing", "dead"):
            raise Conflict(f"You cannot commit container {live.name} which is being removed")
        frozen = request.pause and live.record.state.status == "running"
        if frozen:
            parts.cgroups.freeze(parts.group(live))
            parts.tell(live, "pause")
        try:
            image = await parts.images.commit(
                live.id,
                parts.images.get(live.record.image_id),
                config=request.config,
                ref=request.ref,
                author=request.author,
                comment=request.comment,
                created_by=" ".join(live.record.spec.command or []),
            )
        finally:
            if frozen:
                parts.cgroups.thaw(parts.group(live))
                parts.tell(live, "unpause")
    name = parse_tag(request.ref).familiar if request.ref else ""
    if name:
        parts.tell_image("tag", image.id, name)
    parts.tell(live, "commit", imageID=image.id, imageRef=name, comment=request.comment)
    return image.id
