"""The checks of a container's own configuration: what it runs, how it is stopped, how its health is asked."""

from __future__ import annotations

import posixpath

from corral.api.docker.parts import HealthConfig
from corral.api.docker.settings import Config
from corral.engine.stop import parse_stop_signal
from corral.errors import InvalidInput

MILLISECOND = 10**6


def check_config(config: Config) -> list[str]:
    """InvalidInput where something makes no sense; the working directory is made normal. No warnings so far."""
    if config.WorkingDir:
        if not config.WorkingDir.startswith("/"):
            raise InvalidInput(
                f"the working directory '{config.WorkingDir}' is invalid, it needs to be an absolute path"
            )
        config.WorkingDir = "/" + posixpath.normpath(config.WorkingDir).lstrip("/")
    if config.StopSignal:
        parse_stop_signal(config.StopSignal)
    for entry in config.Env:
        if not entry.partition("=")[0]:
            raise InvalidInput(f"invalid environment variable: {entry}")
    if config.Healthcheck is not None:
        check_health(config.Healthcheck)
    return []


def check_health(check: HealthConfig) -> None:
    """Durations are nanoseconds; zero stands for the default."""
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        if (value := getattr(check, name)) != 0 and value < MILLISECOND:
            raise InvalidInput(f"{name} in Healthcheck cannot be less than 1ms")
    if check.Retries < 0:
        raise InvalidInput("Retries in Healthcheck cannot be negative")
    if check.Test and check.Test[0] not in ("NONE", "CMD", "CMD-SHELL", ""):
        raise InvalidInput(
            f'unknown type "{check.Test[0]}" in Healthcheck.Test: the first word must be NONE, CMD or CMD-SHELL'
        )
