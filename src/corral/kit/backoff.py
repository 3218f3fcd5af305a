"""How long to wait before the next try."""

from __future__ import annotations


def exponential(attempt: int, first: int, limit: int) -> int:
    """Pure: nanoseconds (or any unit) before try number `attempt` (0 is the first retry): doubles up to a limit.

    >>> [exponential(n, 100, 1000) for n in range(6)]
    [100, 200, 400, 800, 1000, 1000]
    """
    return min(limit, first << min(attempt, 62))
