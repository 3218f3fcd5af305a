"""Small translations: health checks, restart policies, logging."""

from __future__ import annotations

import re
from typing import Literal, cast

from corral.api.docker.parts import HealthConfig, LogConfig, RestartPolicy
from corral.api.docker.units import parse_size
from corral.errors import InvalidInput, Unsupported
from corral.model import container as model

# What dockerd has built in, and Corral does not offer.
OTHER_DRIVERS = ("awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "logentries", "splunk", "syslog")
LOG_OPTIONS = {"max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag"}


def health_of(check: HealthConfig | None) -> model.HealthCheck | None:
    if check is None:
        return None
    return model.HealthCheck(
        test=[word for n, word in enumerate(check.Test) if n or word],
        interval=check.Interval,
        timeout=check.Timeout,
        start_period=check.StartPeriod,
        start_interval=check.StartInterval,
        retries=check.Retries,
    )


def restart_of(policy: RestartPolicy | None) -> model.RestartPolicy:
    """Checked before: the name is one of the known."""
    if policy is None:
        return model.RestartPolicy()
    name = cast(Literal["no", "always", "unless-stopped", "on-failure"], policy.Name or "no")
    return model.RestartPolicy(name, policy.MaximumRetryCount)


def log_of(log: LogConfig | None) -> model.LogSpec:
    """InvalidInput for options that the driver does not know, Unsupported for drivers that are not offered."""
    if log is None:
        return model.LogSpec()
    mode = log.Config.get("mode", "")
    if log.Type in OTHER_DRIVERS:
        raise Unsupported(f"logger: the log driver '{log.Type}' is not offered; use json-file, local or none")
    if log.Type == "none":
        return model.LogSpec("none", log.Config)
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidInput(f"logger: logging mode not supported: {mode}")
    if "max-buffer-size" in log.Config and mode != "non-blocking":
        raise InvalidInput("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    if log.Type not in ("", "json-file", "local"):
        raise InvalidInput(f"logger: no log driver named '{log.Type}' is registered")
    driver = log.Type or "json-file"
    for key in sorted(log.Config):
        if key not in LOG_OPTIONS | {"mode", "max-buffer-size"}:
            raise InvalidInput(f"unknown log opt '{key}' for {driver} log driver")
    _check_rotation(log.Config)
    return model.LogSpec(log.Type, log.Config)


def _check_rotation(options: dict[str, str]) -> None:
    if "max-size" in options and parse_size(options["max-size"]) <= 0 and options["max-size"] != "-1":
        raise InvalidInput("max-size must be a positive number")
    count = options.get("max-file", "1")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", count):
        raise InvalidInput(f'strconv.Atoi: parsing "{count}": invalid syntax')
    if int(count) < 1:
        raise InvalidInput("max-file cannot be less than 1")
