"""Times as kubectl shows them. Pure. Follows k8s.io/apimachinery/pkg/util/duration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

UNKNOWN = "<unknown>"


def parse_time(value: Any) -> datetime | None:
    """Pure: a moment from RFC 3339 text; None of what is none.

    >>> parse_time("2026-01-02T03:04:05Z"), parse_time(None)
    (datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), None)
    """
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def human_duration(span: timedelta) -> str:
    """Pure: a duration in two or three significant digits.

    >>> [human_duration(timedelta(seconds=one)) for one in (-2, -1, 119, 125, 3600, 29000, 100000, 800000, 10**8)]
    ['<invalid>', '0s', '119s', '2m5s', '60m', '8h', '27h', '9d', '3y62d']
    """
    seconds = int(span.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    return _days(hours)


def _days(hours: int) -> str:
    days = hours // 24
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"


def since(value: Any, now: datetime) -> str:
    """Pure: how long ago a moment was.

    >>> since("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 5, tzinfo=UTC)), since(None, datetime.now(UTC))
    ('55s', '<unknown>')
    """
    moment = parse_time(value)
    return UNKNOWN if moment is None else human_duration(now - moment)
