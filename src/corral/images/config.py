"""Config: an image's configuration, the JSON whose digest is the image's id (OCI image-spec, Docker's extras). Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from corral.errors import InvalidInput
from corral.images import digests
from corral.images.references import check_digest
from corral.kit.clock import from_rfc3339, to_rfc3339
from corral.model.container import HealthCheck
from corral.model.image import UNTOLD, HistoryEntry, Image, ImageConfig

_Set = dict[str, Any] | None


class _Health(msgspec.Struct):
    Test: list[str] | None = None
    Interval: int = 0
    Timeout: int = 0
    StartPeriod: int = 0
    StartInterval: int = 0
    Retries: int = 0


class _Config(msgspec.Struct):
    """What Go leaves out or writes as null is None or empty."""

    User: str | None = None
    ExposedPorts: _Set = None
    Env: list[str] | None = None
    Entrypoint: list[str] | str | None = None
    Cmd: list[str] | str | None = None
    Volumes: _Set = None
    WorkingDir: str | None = None
    Labels: dict[str, str] | None = None
    StopSignal: str | None = None
    Healthcheck: _Health | None = None
    OnBuild: list[str] | None = None
    Shell: list[str] | None = None
    ArgsEscaped: bool | None = None


class _History(msgspec.Struct):
    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _RootFs(msgspec.Struct):
    type: str = "layers"
    diff_ids: list[str] | None = None


class _Image(msgspec.Struct):
    rootfs: _RootFs | None = None
    created: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os: str | None = None
    author: str | None = None
    comment: str | None = None
    config: _Config | None = None
    history: list[_History] | None = field(default=None)


def parse(data: bytes) -> Image:
    """An image out of its configuration; id, diff ids and the rest, but no sizes and tags. InvalidInput if damaged."""
    try:
        raw = msgspec.json.decode(data, type=_Image)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"invalid image configuration: {error}") from error
    if raw.rootfs is None:
        raise InvalidInput("invalid image JSON, no RootFS key")
    diff_ids = [check_digest(d) for d in raw.rootfs.diff_ids or []]
    history = [
        HistoryEntry(_time(h.created), h.created_by or "", h.author or "", h.comment or "", bool(h.empty_layer))
        for h in raw.history or []
    ]
    return Image(
        digests.of(data),
        _time(raw.created),
        raw.architecture or "",
        raw.variant or "",
        raw.os or "linux",
        raw.author or "",
        raw.comment or "",
        _from_wire(raw.config or _Config()),
        history,
        diff_ids,
    )


def _time(text: str | None) -> int:
    try:
        return from_rfc3339(text, UNTOLD) if text else UNTOLD
    except ValueError as error:
        raise InvalidInput(f"invalid image configuration: {error}") from error


def _words(value: list[str] | str | None) -> list[str] | None:
    """A command: very old images have it as one string."""
    return [value] if isinstance(value, str) else value


def _from_wire(raw: _Config) -> ImageConfig:
    health = raw.Healthcheck and HealthCheck(
        raw.Healthcheck.Test or [],
        raw.Healthcheck.Interval,
        raw.Healthcheck.Timeout,
        raw.Healthcheck.StartPeriod,
        raw.Healthcheck.StartInterval,
        raw.Healthcheck.Retries,
    )
    return ImageConfig(
        user=raw.User or "",
        exposed_ports=sorted(raw.ExposedPorts or {}),
        env=raw.Env or [],
        entrypoint=_words(raw.Entrypoint),
        command=_words(raw.Cmd),
        volumes=sorted(raw.Volumes or {}),
        workdir=raw.WorkingDir or "",
        labels=raw.Labels or {},
        stop_signal=raw.StopSignal or "",
        health=health or None,
        on_build=raw.OnBuild or [],
        shell=raw.Shell,
        args_escaped=bool(raw.ArgsEscaped),
    )


def build(image: Image) -> bytes:
    """The configuration's JSON, keys sorted; `parse` gives the same image back, and its digest is the image's id."""
    found: dict[str, Any] = {
        "architecture": image.architecture,
        "config": config_to_wire(image.config),
        "created": to_rfc3339(image.created, UNTOLD),
        "history": [_history_to_wire(h) for h in image.history],
        "os": image.os,
        "rootfs": {"type": "layers", "diff_ids": image.diff_ids},
    }
    found |= {k: v for k in ("variant", "author", "comment") if (v := getattr(image, k))}
    return msgspec.json.encode(found, order="sorted")


def config_to_wire(config: ImageConfig) -> dict[str, Any]:
    """In Docker's words, only what is set."""
    health = config.health
    found: dict[str, Any] = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Env": config.env,
        "Entrypoint": config.entrypoint,
        "Cmd": config.command,
        "Volumes": {path: {} for path in config.volumes},
        "WorkingDir": config.workdir,
        "Labels": config.labels,
        "StopSignal": config.stop_signal,
        "OnBuild": config.on_build,
        "Shell": config.shell,
        "ArgsEscaped": config.args_escaped,
        "Healthcheck": health
        and {
            "Test": health.test,
            "Interval": health.interval,
            "Timeout": health.timeout,
            "StartPeriod": health.start_period,
            "StartInterval": health.start_interval,
            "Retries": health.retries,
        },
    }
    return {k: v for k, v in found.items() if v or (v == [] and k in ("Entrypoint", "Cmd"))}


def _history_to_wire(entry: HistoryEntry) -> dict[str, Any]:
    found: dict[str, Any] = {"created": to_rfc3339(entry.created, UNTOLD)}
    found |= {k: v for k in ("created_by", "author", "comment", "empty_layer") if (v := getattr(entry, k))}
    return found


def child(
    base: Image, config: ImageConfig, *, diff_id: str, created: int, created_by: str, author: str, comment: str
) -> Image:
    """Pure: the image that a container's changes make on top of its own. An empty layer is only noted in the history.

    The id and the sizes are still those of nothing.
    """
    empty = diff_id == digests.EMPTY_TAR
    entry = HistoryEntry(created, created_by, author, comment, empty)
    return Image(
        id="",
        created=created,
        architecture=base.architecture,
        variant=base.variant,
        os=base.os,
        author=author,
        comment=comment,
        config=config,
        history=[*base.history, entry],
        diff_ids=[*base.diff_ids] if empty else [*base.diff_ids, diff_id],
        parent=base.id,
    )
