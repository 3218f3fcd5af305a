"""One daemon for each instance: whoever holds the lock on the pid file is it. A lock dies with its process.

It is a POSIX record lock: others can ask who holds it without taking it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

from corral.cli.instance import Instance, daemon_pid
from corral.errors import Conflict, from_oserror


class InstanceLock:
    """Held from `take` to `release`, which removes the pid file."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._fd = -1

    def take(self) -> None:
        """Conflict if a daemon runs. HostError."""
        path = self._instance.pid_file
        try:
            os.makedirs(self._instance.root, mode=0o711, exist_ok=True)
            os.makedirs(self._instance.run, mode=0o755, exist_ok=True)
            while not self._try(path):
                pass  # the one who held it has just removed the file: the next try makes a new one
        except BlockingIOError:
            pid = daemon_pid(self._instance)
            raise Conflict(f"Corral is up already (pid {pid}) with its state in {self._instance.root}") from None
        except OSError as error:
            raise from_oserror(f"open {path}", error) from error

    def _try(self, path: str) -> bool:
        """True if we hold the lock of the file that has this name now. BlockingIOError if another does."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.exists(path) and os.stat(path).st_ino == os.fstat(fd).st_ino:
                _write_pid(fd)
                fd, self._fd = -1, fd
                return True
            return False
        finally:
            if fd >= 0:
                os.close(fd)

    def release(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(FileNotFoundError):  # `reset` has removed it with the rest
                os.unlink(self._instance.pid_file)
            os.close(self._fd)
            self._fd = -1


def _write_pid(fd: int) -> None:
    """For people, and for whoever is in another pid namespace: all others ask the kernel who holds the lock. So a full
    disk is no reason not to be the daemon, or the one who ends all that fills it."""
    os.ftruncate(fd, 0)
    try:
        os.write(fd, f"{os.getpid()}\n".encode())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
