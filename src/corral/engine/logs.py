"""A container's log: where it lies, how large it may grow, who reads it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.errors import CorralError, Unsupported
from corral.logs.container_log import ContainerLog
from corral.logs.details import plan_details
from corral.logs.policy import LogPolicy, plan_policy
from corral.model.container import LogSpec
from corral.model.process import LogEntry, LogQuery

logger = logging.getLogger("corral.engine")


def log_policy(parts: Parts, log: LogSpec) -> LogPolicy:
    """The size limits of a log. InvalidInput or Unsupported for options that are not understood."""
    return plan_policy(log.driver, log.options, LogPolicy(parts.config.log_max_size, parts.config.log_max_files))


def read_log(parts: Parts, live: Live, query: LogQuery) -> AsyncIterator[LogEntry]:
    """The entries that `query` selects. Unsupported for a container that keeps no log."""
    log = live.record.spec.log
    if log.driver == "none":
        raise Unsupported("configured logging driver does not support reading")
    reader = ContainerLog(parts.paths.log(live.id), log_policy(parts, log), parts.watches)
    return reader.read(query, live.exited)


async def said_since(parts: Parts, live: Live, since: int) -> AsyncIterator[tuple[int, bytes]]:
    """What the log has from a time on, as a console would have given it: (1 stdout | 2 stderr, bytes)."""
    try:
        async for entry in read_log(parts, live, LogQuery(since=since)):
            yield (1 if entry.stream == "stdout" else 2), entry.data
    except CorralError as error:
        logger.error("container %s: read its log: %s", live.name, error.message)


def log_details(parts: Parts, live: Live) -> dict[str, str]:
    """The labels, variables and tag that the log's options name."""
    record = live.record
    spec, image = record.spec, record.image_id
    fields = {
        "ID": record.id[:12],
        "FullID": record.id,
        "ContainerID": record.id,
        "Name": record.name,
        "ContainerName": f"/{record.name}",
        "Command": " ".join([record.path, *record.args]),
        "ImageID": image.removeprefix("sha256:")[:12],
        "ImageFullID": image,
        "ImageName": spec.image,
        "Hostname": parts.host.hostname,
        "DaemonName": "docker",
    }
    return plan_details(spec.log.options, spec.labels, spec.env, fields)


def watch_log(parts: Parts, live: Live) -> None:
    """Keeps the log within its limits while the container runs."""
    log = live.record.spec.log
    if log.driver != "none":
        parts.rotator.watch(live.id, parts.paths.log(live.id), log_policy(parts, log))
