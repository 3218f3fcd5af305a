"""Healthcheck: what HEALTHCHECK says. Pure."""

from __future__ import annotations

from corral.build.dockerfile.drafts import Draft
from corral.build.dockerfile.flags import parse_flags
from corral.build.dockerfile.texts import quote
from corral.build.request import BuildFailed
from corral.kit.clock import parse_duration
from corral.model.container import HealthCheck

_SHORTEST = 10**6


def parse_healthcheck(draft: Draft) -> HealthCheck:
    """NONE, or CMD with a command and its flags."""
    if not draft.words:
        raise BuildFailed("HEALTHCHECK requires at least one argument")
    kind, words = draft.words[0].upper(), draft.words[1:]
    if kind == "NONE":
        if words:
            raise BuildFailed("HEALTHCHECK NONE takes no arguments")
        return HealthCheck(["NONE"])
    names = ("interval", "timeout", "start-period", "start-interval", "retries")
    flags = parse_flags(draft.flags, dict.fromkeys(names, "text"))
    if kind != "CMD":
        raise BuildFailed(f"Unknown type {quote(kind)} in HEALTHCHECK (try CMD)")
    if not words:
        raise BuildFailed("Missing command after HEALTHCHECK CMD")
    test = [kind if draft.json else "CMD-SHELL", *words]
    interval, timeout, start_period, start_interval = (_interval(name, flags.text(name)) for name in names[:4])
    return HealthCheck(test, interval, timeout, start_period, start_interval, _retries(flags.text("retries")))


def _interval(name: str, text: str) -> int:
    """Nanoseconds; 0 is the engine's own default.

    >>> _interval("timeout", "3s"), _interval("timeout", "")
    (3000000000, 0)
    """
    try:
        found = parse_duration(text) if text else 0
    except ValueError as error:
        raise BuildFailed(str(error)) from None
    if found and found < _SHORTEST:
        raise BuildFailed(f"Interval {quote(name)} cannot be less than 1ms")
    return found


def _retries(text: str) -> int:
    try:
        found = int(text) if text else 0
    except ValueError:
        raise BuildFailed(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax") from None
    if found >= 2**31:
        raise BuildFailed(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    if found < 0:
        raise BuildFailed(f"--retries cannot be negative ({found})")
    return found
