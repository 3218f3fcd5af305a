"""Moments as clients give them: seconds since the epoch, RFC 3339 (also cut short), or how long ago."""

from __future__ import annotations

import re

from corral.errors import InvalidInput
from corral.kit.clock import SECOND, from_rfc3339, parse_duration

_SECONDS = re.compile(r"(-?\d{1,18})(?:\.(\d{1,9})\d*)?\Z")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d)(?::(\d\d))?(?::(\d\d(?:\.\d+)?))?)?(Z|z|[+-]\d\d:?\d\d)?\Z")


def parse_moment(text: str, now: int) -> int:
    """Pure: nanoseconds since the epoch. InvalidInput for what is no moment.

    >>> second = 10**9
    >>> parse_moment("10m", 3600 * second) // second, parse_moment("1700000000.5", 0)
    (3000, 1700000000500000000)
    >>> parse_moment("2023-11-14", 0) // second, parse_moment("2023-11-14T22:13:20Z", 0) // second
    (1699920000, 1700000000)
    """
    if found := _SECONDS.match(text):
        seconds, fraction = found.groups()
        return int(seconds) * SECOND + int((fraction or "").ljust(9, "0"))
    try:
        if found := _DAY.match(text):
            day, hour, minute, rest, zone = found.groups()
            return from_rfc3339(f"{day}T{hour or '00'}:{minute or '00'}:{rest or '00'}{zone or 'Z'}")
        return now - parse_duration(text)
    except ValueError:
        raise InvalidInput(f'failed to parse value as time or duration: "{text}"') from None
