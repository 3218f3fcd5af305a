"""Time as data: nanoseconds since the epoch inside, RFC 3339 and Go durations at the edges.

Decisions take the time as an argument; code that acts takes a `Clock`, so tests can turn it by hand.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Protocol

SECOND = 1_000_000_000
TICK = 10_000_000  # nanoseconds: the longest between two of the kernel's ticks; files' times may be so much behind


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start: int = 0) -> None:
        self.value = start

    def now(self) -> int:
        return self.value

    def advance(self, nanoseconds: int) -> None:
        self.value += nanoseconds


ZERO = "0001-01-01T00:00:00Z"


def to_rfc3339(ns: int, zero: int = 0) -> str:
    """RFC 3339 with nanoseconds in UTC, trailing zeros cut as Go's RFC3339Nano does; `zero` stands for Go's zero time,
    which means that there is none.

    >>> to_rfc3339(1_700_000_000_120_000_000)
    '2023-11-14T22:13:20.12Z'
    >>> to_rfc3339(0), to_rfc3339(0, -1)
    ('0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z')
    """
    if ns == zero:
        return ZERO
    seconds, rest = divmod(ns, SECOND)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{text}{fraction}Z"


_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:?\d\d)?$")


def from_rfc3339(text: str, zero: int = 0) -> int:
    """The inverse of `to_rfc3339`; offsets are understood, no offset means UTC. ValueError if it is no time.

    >>> from_rfc3339("2023-11-14T23:13:20.12+01:00")
    1700000000120000000
    """
    found = _RFC3339.match(text)
    if not found:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    day, clock, fraction, zone = found.groups()
    if day == "0001-01-01":
        return zero
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    moment = datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(UTC)
    return int(moment.timestamp()) * SECOND + int((fraction or "0").ljust(9, "0"))


_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([^.\d]*)", re.ASCII | re.DOTALL)
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def parse_duration(text: str) -> int:
    """A Go duration in nanoseconds. ValueError, in Go's words, if it is none.

    >>> parse_duration("1m30s")
    90000000000
    >>> parse_duration("-1.5h")
    -5400000000000
    """
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return 0
    parts = _PART.findall(body)
    if not parts or "".join(n + u for n, u in parts) != body:
        raise ValueError(duration_problem(text))
    found = sum(float(n) * _UNITS[u] for n, u in parts)
    if found >= 1 << 63:
        raise ValueError(duration_problem(text))
    return sign * round(found)


def duration_problem(text: str) -> str:
    """Pure: what Go says of a text that is no duration.

    >>> duration_problem("1"), duration_problem("1d2h"), duration_problem("soon")
    ('time: missing unit in duration "1"', 'time: unknown unit "d" in duration "1d2h"', 'time: invalid duration "soon"')
    """
    rest = text[1:] if text.startswith(("-", "+")) else text
    while found := _AMOUNT.match(rest):
        if not found[2]:
            return f'time: missing unit in duration "{text}"'
        if found[2] not in _UNITS:
            return f'time: unknown unit "{found[2]}" in duration "{text}"'
        rest = rest[found.end() :]
    return f'time: invalid duration "{text}"'
