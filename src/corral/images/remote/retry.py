"""Retry: whether a request that failed is tried again, and after how long. Pure.

Two kinds of patience. Who asks a registry for the first time gets its answer soon, also where that is a failure. A
transfer that is under way, with a registry that has answered already, rides out that registry's restart: it goes on
trying for as long as dockerd does, which waits 5, 10, 15 and 20 seconds between its five tries, but tries more often,
so that it goes on soon after the registry is back.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from math import ceil

from corral.kit.backoff import exponential

LONGEST = 120.0  # seconds that anybody wants to wait for a registry's sake
_FIRST, _LIMIT = 250, 15_000  # milliseconds
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_STARTING = (502, 503, 504)  # what is said, by itself or by who stands in front, of a registry that is not up yet
_STEP, _PAUSE = 5_000, 8_000  # milliseconds: dockerd waits so much longer each time; the longest pause of ours


def plan_retry(
    attempt: int, attempts: int, *, status: int = 0, broken: bool = False, after: float = -1, under_way: bool = False
) -> float:
    """Seconds to wait before try number `attempt` + 1 (the first is number 0), -1 to give up.

    `status` is the answer's, `broken` that the connection failed in a way that may pass, `after` what the answer's
    Retry-After asks for (-1: nothing); `under_way`: the registry has answered before in this piece of work.

    >>> [plan_retry(n, 5, status=503) for n in range(5)]
    [0.25, 0.5, 1.0, 2.0, -1]
    >>> plan_retry(0, 5, status=429, after=7), plan_retry(0, 5, status=429, after=3600), plan_retry(0, 5, status=404)
    (7, -1, -1)
    >>> plan_retry(1, 5, broken=True)
    0.5
    >>> [plan_retry(n, 5, broken=True, under_way=True) for n in range(12)]
    [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0, 2.25, -1]
    >>> plan_retry(0, 1, broken=True, under_way=True), plan_retry(5, 5, status=500, under_way=True)
    (-1, -1)
    """
    if not (broken or status in _PASSING):
        return -1
    if after < 0 and under_way and (broken or status in _STARTING):
        return _ride_out(attempt, attempts)
    if attempt + 1 >= attempts:
        return -1
    if after >= 0:
        return after if after <= LONGEST else -1
    return exponential(attempt, _FIRST, _LIMIT) / 1000


def _ride_out(attempt: int, attempts: int) -> float:
    """As long in all as dockerd waits with so many tries: 50 seconds with 5, none with 1."""
    whole = _STEP * attempts * (attempts - 1) // 2
    waited = sum(exponential(number, _FIRST, _PAUSE) for number in range(attempt))
    return min(exponential(attempt, _FIRST, _PAUSE), whole - waited) / 1000 if waited < whole else -1


def parse_retry_after(text: str, now: float) -> float:
    """A Retry-After header in seconds from `now` (seconds since 1970); -1 if there is none, or it is none.

    >>> parse_retry_after("30", 0), parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 10), parse_retry_after("x", 0)
    (30.0, 50.0, -1)
    """
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return -1


def duration(seconds: float) -> str:
    """As people say it.

    >>> duration(5), duration(90), duration(7200), duration(0.2)
    ('5 seconds', '2 minutes', '2 hours', '1 second')
    """
    for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size or size == 1:
            count = max(1, ceil(seconds / size))
            return f"{count} {unit}{'s' * (count != 1)}"
    return ""
