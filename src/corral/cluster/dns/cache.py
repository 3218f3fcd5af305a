"""Answers of others, given again for as long as they are good. Pure: the time is an argument."""

from __future__ import annotations

from typing import NamedTuple

MOST = 10_000  # questions; then those that have been there longest go
LONGEST = 30  # seconds


class _Kept(NamedTuple):
    until: float
    reply: bytes


class Cache:
    """
    >>> cache = Cache()
    >>> cache.keep(b"\\0\\1who?", b"\\0\\1me", 5, now=100.0)
    >>> cache.find(b"\\0\\2who?", now=104.0), cache.find(b"\\0\\2who?", now=105.0)
    (b'\\x00\\x02me', None)
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, _Kept] = {}  # without the number that tells questions apart

    def find(self, question: bytes, now: float) -> bytes | None:
        kept = self._kept.get(question[2:])
        if kept is None:
            return None
        if kept.until <= now:
            del self._kept[question[2:]]
            return None
        return question[:2] + kept.reply[2:]

    def keep(self, question: bytes, reply: bytes, seconds: float, now: float) -> None:
        if seconds <= 0:
            return
        while len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept.pop(question[2:], None)
        self._kept[question[2:]] = _Kept(now + seconds, reply)
