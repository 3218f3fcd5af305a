"""Times in objects. Controllers are given a function `now`, seconds since the epoch, so that tests can turn it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], float]


def to_text(moment: float) -> str:
    """Pure: metav1.Time, in whole seconds.

    >>> to_text(1_700_000_000.9)
    '2023-11-14T22:13:20Z'
    """
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_micro(moment: float) -> str:
    """Pure: metav1.MicroTime.

    >>> to_micro(1_700_000_000.25)
    '2023-11-14T22:13:20.250000Z'
    """
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def of_text(text: str) -> float:
    """Pure: seconds since the epoch, of either. ValueError.

    >>> of_text("2023-11-14T22:13:20.250000Z")
    1700000000.25
    """
    return datetime.fromisoformat(text).timestamp()
