"""Exit statuses: small files that monitors leave, one for each process that ended, whether or not a daemon lives."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from corral.kit.tasks import Tasks
from corral.linux.inotify import CLOSE_WRITE, MOVED_TO, Inotify

log = logging.getLogger("corral.runtime")

AGAIN = 1.0  # seconds after which what the host refused is tried again


class Exits:
    """A directory of files named after containers, each with an exit status in digits.

    `told(id, code)` is called for each file when it appears, and for those that are there already when `start`
    is called. A file stays until `forget`, so that an end is told again after a crash of the daemon.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._told: Callable[[str, int], None] = lambda id, code: None
        self._inotify: Inotify | None = None
        self._unwritten: dict[str, int] = {}
        self._tasks = Tasks()

    async def start(self, told: Callable[[str, int], None]) -> None:
        self._told = told
        self._inotify = Inotify()
        self._inotify.add(self.directory, CLOSE_WRITE | MOVED_TO)
        for id in sorted(self.known()):
            self._tell(id)
        self._tasks.start("exits", self._watch(self._inotify))

    async def _watch(self, inotify: Inotify) -> None:
        async for event in inotify:
            try:
                for id in sorted(self.known()) if event.overflow else filter(_is_id, [event.name]):
                    self._tell(id)
            except OSError as error:  # out of descriptors or memory: nothing is lost, all files are looked at again
                log.error("read exit statuses in %s: %s; trying again", self.directory, error.strerror)
                asyncio.get_running_loop().call_later(AGAIN, self._tell_all)

    def _tell_all(self) -> None:
        try:
            for id in sorted(self.known()):
                self._tell(id)
        except OSError:
            asyncio.get_running_loop().call_later(AGAIN, self._tell_all)

    def _tell(self, id: str) -> None:
        code = self.read(id)
        if code is not None and self._inotify is not None:
            self._told(id, code)

    def known(self) -> set[str]:
        """The ids whose exit status is here."""
        return set(filter(_is_id, os.listdir(self.directory))) | self._unwritten.keys()

    def read(self, id: str) -> int | None:
        """The exit status, None if the monitor has not written it (yet)."""
        code = read_exit(f"{self.directory}/{id}")
        return self._unwritten.get(id) if code is None else code

    def when(self, id: str) -> int | None:
        """When the status was written, in nanoseconds; None where it was not."""
        try:
            return os.stat(f"{self.directory}/{id}").st_mtime_ns
        except FileNotFoundError:
            return None

    def write(self, id: str, code: int) -> None:
        """In the place of a monitor that could not tell it.

        Where the disk takes no file, it is told all the same, from memory: a full disk may be why the monitor could
        not, and whoever wants to make room ends and removes containers.
        """
        path = f"{self.directory}/{id}"
        try:
            with open(f"{path}.new", "w") as file:
                file.write(str(code))
            os.rename(f"{path}.new", path)
        except OSError as error:
            log.error("write %s: %s; this daemon keeps it in mind", path, error.strerror)
            with contextlib.suppress(OSError):
                os.unlink(f"{path}.new")
            self._unwritten[id] = code
            self._tell(id)

    def forget(self, id: str) -> None:
        self._unwritten.pop(id, None)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.directory}/{id}")

    async def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        await self._tasks.close()


def _is_id(name: str) -> bool:
    """Pure: a name with a dot is a file that the monitor is still writing."""
    return bool(name) and "." not in name


def read_exit(path: str) -> int | None:
    """One exit file's status; None where there is none."""
    try:
        with open(path) as file:
            text = file.read().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.lstrip("-").isdigit() else None
