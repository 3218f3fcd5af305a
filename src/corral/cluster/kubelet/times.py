"""Times as the API writes them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

SECOND: Final = 10**9


def rfc3339(nanoseconds: int) -> str:
    """
    >>> rfc3339(1_700_000_000 * SECOND)
    '2023-11-14T22:13:20Z'
    """
    return datetime.fromtimestamp(nanoseconds // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(nanoseconds: int) -> str:
    """
    >>> micro(1_700_000_000 * SECOND + 5000)
    '2023-11-14T22:13:20.000005Z'
    """
    seconds, rest = divmod(nanoseconds, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC).strftime('%Y-%m-%dT%H:%M:%S')}.{rest // 1000:06d}Z"


def nano(nanoseconds: int) -> str:
    """As logs show them: nine digits, without trailing zeros.

    >>> nano(1_700_000_000 * SECOND + 500_000_000)
    '2023-11-14T22:13:20.5Z'
    """
    seconds, rest = divmod(nanoseconds, SECOND)
    digits = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC).strftime('%Y-%m-%dT%H:%M:%S')}{digits}Z"


def parse(text: str) -> int:
    """Nanoseconds. ValueError for what is no time.

    >>> parse("2023-11-14T22:13:20Z") == 1_700_000_000 * SECOND
    True
    """
    base, dot, rest = text.partition(".")
    fraction = 0
    if dot:
        digits = rest.rstrip("Z").partition("+")[0].partition("-")[0]
        fraction = int(digits.ljust(9, "0")[:9])
        base += rest[len(digits) :]
    moment = datetime.fromisoformat(base.replace("Z", "+00:00"))
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * SECOND + fraction


def duration(seconds: float) -> str:
    """As Go writes a length of time.

    >>> duration(10), duration(80), duration(300), duration(1.5)
    ('10s', '1m20s', '5m0s', '1.5s')
    """
    minutes, rest = divmod(seconds, 60)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    if minutes >= 60:
        return f"{int(minutes // 60)}h{int(minutes % 60)}m{shown}"
    return f"{int(minutes)}m{shown}" if minutes else shown
