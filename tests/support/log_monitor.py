"""A stand-in for the monitor: writes records, and makes a new file when told, in the steps that conmon takes."""

from __future__ import annotations

import os
from pathlib import Path

from corral.kit import clock

START = 1_700_000_000_000_000_000


def record(text: bytes, *, stream: str = "stdout", tag: str = "F", time: int = START) -> bytes:
    seconds, rest = divmod(time, clock.SECOND)
    stamp = clock.to_rfc3339(seconds * clock.SECOND).removesuffix("Z")
    return f"{stamp}.{rest:09d}+00:00 {stream} {tag} ".encode() + text + b"\n"


class Monitor:
    """`time` grows by one nanosecond with every record."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.time = START
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, text: bytes, stream: str = "stdout", tag: str = "F") -> None:
        os.write(self._fd, record(text, stream=stream, tag=tag, time=self.time))
        self.time += 1

    def reopen(self) -> None:
        os.close(self._fd)
        self._fd = os.open(f"{self.path}.tmp", os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o600)
        os.rename(f"{self.path}.tmp", self.path)

    def close(self) -> None:
        os.close(self._fd)
