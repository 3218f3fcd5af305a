"""How long ago something was, in the few letters of a table. Follows k8s.io/apimachinery/pkg/util/duration."""

from __future__ import annotations

from datetime import datetime

UNKNOWN = "<unknown>"


def since(timestamp: str | None, now: datetime) -> str:
    """Pure.

    >>> from datetime import UTC
    >>> since("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 10, tzinfo=UTC)), since(None, datetime.now())
    ('5m55s', '<unknown>')
    """
    if not timestamp:
        return UNKNOWN
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return "<invalid>"
    return human(int((now - then).total_seconds()))


def human(seconds: int) -> str:
    """Pure: a duration in at most two units, the smaller one only while it matters.

    >>> human(119), human(601), human(3 * 3600 + 60), human(50 * 3600), human(400 * 86400), human(9 * 365 * 86400)
    ('119s', '10m', '3h1m', '2d2h', '400d', '9y')
    """
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if days < 8 * 365 else f"{years}y"


def _two(large: int, unit: str, small: int, second: str) -> str:
    return f"{large}{unit}{small}{second}" if small else f"{large}{unit}"
