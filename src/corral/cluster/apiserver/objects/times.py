"""The present, as objects carry it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Now = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """RFC 3339 in UTC, in whole seconds (metav1.Time).

    >>> to_text(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def later(moment: datetime, seconds: int) -> str:
    return to_text(moment + timedelta(seconds=seconds))


def shifted(text: str, seconds: int) -> str:
    """Pure: a time moved by seconds.

    >>> shifted("2026-01-02T03:04:05Z", -5)
    '2026-01-02T03:04:00Z'
    """
    return to_text(datetime.fromisoformat(text) + timedelta(seconds=seconds))
