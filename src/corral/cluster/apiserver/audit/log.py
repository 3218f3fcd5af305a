"""The audit log on disk: a line of JSON for each event, in files of bounded size and number.

A thread of its own writes; a request only puts its event into a queue. When the disk cannot keep up and the queue is
full, events are dropped and counted (with an error in the server's log), never is a request held up.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from corral.cluster.apiserver.certificates.files import make_folder
from corral.errors import HostError, from_oserror
from corral.model.kubernetes.kind import Object

log = logging.getLogger("corral.cluster")

WAITING: Final = 10_000  # events
_FORMAT: Final = "%Y-%m-%dT%H-%M-%S.%f"
_END: Final = None


@dataclass(frozen=True, slots=True)
class Limits:
    """`size`: bytes of a file before the next one begins; `backups` and `days`: how many old ones are kept, and for
    how long; 0: no limit."""

    size: int = 100 * 1024 * 1024
    backups: int = 10
    days: int = 0


class AuditLog:
    """Writes to `path`. `now`: seconds since the epoch."""

    def __init__(self, path: Path, limits: Limits, now: Callable[[], float], waiting: int = WAITING) -> None:
        self._path, self._limits, self._now = path, limits, now
        self._queue: queue.Queue[Object | None] = queue.Queue(waiting)
        self.dropped = 0
        make_folder(path.parent)
        self._file = self._open()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def write(self, event: Object) -> None:
        """Returns at once."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            if not self.dropped:
                log.error("audit: the disk does not keep up with %s: events are lost", self._path)
            self.dropped += 1

    def close(self, patience: float = 5.0) -> None:
        """Returns when all that was written is on disk, or after twice `patience` seconds."""
        with suppress(queue.Full):
            self._queue.put(_END, timeout=patience)
        self._thread.join(patience)

    def _run(self) -> None:
        while (event := self._queue.get()) is not _END:
            try:
                self._append(event)
            except OSError as error:
                self.dropped += 1
                log.error("audit: cannot write %s: %s", self._path, error)
        os.close(self._file)

    def _append(self, event: Object) -> None:
        line = memoryview(msgspec.json.encode(event) + b"\n")
        if self._limits.size and self._size and self._size + len(line) > self._limits.size:
            try:
                self._rotate()
            except (OSError, HostError) as error:
                log.error("audit: no new file for %s, the old one grows: %s", self._path, error)
        while line:
            written = os.write(self._file, line)
            self._size += written
            line = line[written:]

    def _rotate(self) -> None:
        """OSError, HostError: what was being written to goes on."""
        moment = datetime.fromtimestamp(self._now(), UTC)
        os.replace(self._path, self._path.with_name(backup_name(self._path, moment)))
        old, self._file = self._file, self._open()
        os.close(old)
        names = [one.name for one in self._path.parent.iterdir()]
        for name in plan_removal(names, self._path, self._limits, moment):
            (self._path.parent / name).unlink(missing_ok=True)

    def _open(self) -> int:
        """HostError."""
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(handle).st_size
            return handle
        except OSError as error:
            raise from_oserror(f"open {self._path}", error) from error


def backup_name(path: Path, moment: datetime) -> str:
    """Pure.

    >>> backup_name(Path("/x/audit.log"), datetime(2026, 1, 2, 3, 4, 5, 678900, UTC))
    'audit-2026-01-02T03-04-05.678900.log'
    """
    return f"{path.stem}-{moment.strftime(_FORMAT)}{path.suffix}"


def plan_removal(names: Iterable[str], path: Path, limits: Limits, now: datetime) -> list[str]:
    """Pure: which of the files in the log's folder are old ones that go.

    >>> names = ["audit.log", "other", *(f"audit-2026-01-0{day}T00-00-00.000000.log" for day in (1, 2, 3))]
    >>> plan_removal(names, Path("audit.log"), Limits(backups=2), datetime(2026, 1, 4, tzinfo=UTC))
    ['audit-2026-01-01T00-00-00.000000.log']
    >>> plan_removal(names, Path("audit.log"), Limits(backups=0, days=1), datetime(2026, 1, 4, tzinfo=UTC))
    ['audit-2026-01-01T00-00-00.000000.log', 'audit-2026-01-02T00-00-00.000000.log']
    """
    dated = sorted((moment, name) for name in names if (moment := _moment_of(name, path)) is not None)
    surplus = len(dated) - limits.backups if limits.backups else 0
    oldest = now - timedelta(days=limits.days) if limits.days else datetime.min.replace(tzinfo=UTC)
    return [name for at, (moment, name) in enumerate(dated) if at < surplus or moment < oldest]


def _moment_of(name: str, path: Path) -> datetime | None:
    if not name.startswith(f"{path.stem}-") or not name.endswith(path.suffix):
        return None
    written = name.removeprefix(f"{path.stem}-")
    written = written.removesuffix(path.suffix) if path.suffix else written
    try:
        return datetime.strptime(written, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
