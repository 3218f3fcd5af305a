"""Sizes and durations as people read them, in the words of Docker's go-units."""

from __future__ import annotations

import re

from corral.errors import InvalidInput
from corral.kit.clock import SECOND


def human_duration(nanoseconds: int) -> str:
    """Pure: how long ago, roughly.

    >>> [human_duration(s * SECOND) for s in (0, 1, 59, 60, 119, 120, 3599, 3600, 7200, 86400, 172800)]
    ['Less than a second', '1 second', '59 seconds', 'About a minute', 'About a minute', '2 minutes', \
'59 minutes', 'About an hour', '2 hours', '24 hours', '2 days']
    >>> [human_duration(d * 86400 * SECOND) for d in (13, 14, 59, 60, 729, 730)]
    ['13 days', '2 weeks', '8 weeks', '2 months', '24 months', '2 years']
    """
    seconds = _toward_zero(nanoseconds, SECOND)
    minutes = seconds // 60 if seconds > 0 else 0
    hours = (seconds + 1800) // 3600
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for limit, size, unit in ((24 * 14, 24, "days"), (24 * 60, 24 * 7, "weeks"), (24 * 730, 24 * 30, "months")):
        if hours < limit:
            return f"{hours // size} {unit}"
    return f"{seconds // 3600 // 24 // 365} years"


def _toward_zero(value: int, unit: int) -> int:
    return value // unit if value >= 0 else -(-value // unit)


_SIZE = re.compile(r"(-?\d+(?:\.\d+)?)\s*([kKmMgGtTpP]?)(?:[iI]?[bB])?")


def parse_size(text: str) -> int:
    """Pure: "10m" in bytes; k is 1024. InvalidInput for anything else.

    >>> parse_size("10m"), parse_size("1.5GiB"), parse_size("512")
    (10485760, 1610612736, 512)
    """
    found = _SIZE.fullmatch(text)
    if not found:
        raise InvalidInput(f"invalid size: '{text}'")
    number, unit = found.groups()
    return int(float(number) * 1024 ** " kmgtp".index(unit.lower() or " "))
