"""Growing: a file that one thread writes while others read along, each from where it likes."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from typing import Final

from corral.errors import HostError
from corral.images.remote.cancel import Cancel

_PIECE: Final = 1 << 18


class Growing:
    """The writer calls `begin`, `grown` and `settle`; readers `chunks` and `wait`."""

    def __init__(self) -> None:
        self._state = threading.Condition()
        self._have = 0
        self._path = ""
        self._done = False
        self.error: BaseException | None = None

    def wake(self) -> None:
        """Readers that wait look at their `Cancel` again."""
        with self._state:
            self._state.notify_all()

    def begin(self, path: str, have: int) -> None:
        with self._state:
            self._path, self._have = path, have
            self._state.notify_all()

    def grown(self, have: int) -> None:
        with self._state:
            self._have = have
            self._state.notify_all()

    def settle(self, error: BaseException | None = None) -> None:
        """Nothing more comes; what is there is right, or else there is an error."""
        with self._state:
            self._done, self.error = True, error
            self._state.notify_all()

    @property
    def complete(self) -> bool:
        """All bytes are here, and right."""
        return self._done and self.error is None

    def chunks(self, cancel: Cancel, at: int = 0) -> Generator[bytes, None, None]:
        """All bytes from `at` on, each as soon as it is there; no end before all is right. Raises what the writer
        failed with; Ended. Whoever may not read all of them closes it: it holds the file open."""
        fd = -1
        cancel.when_stopped(self.wake)
        try:
            while (have := self._beyond(at, cancel)) > at:
                if fd < 0:
                    fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                while at < have:
                    data = os.pread(fd, min(_PIECE, have - at), at)
                    if not data:
                        raise HostError(f"{self._path} is shorter on disk than it was")
                    at += len(data)
                    yield data
        finally:
            if fd >= 0:
                os.close(fd)

    def _beyond(self, at: int, cancel: Cancel) -> int:
        """Waits for more than `at` bytes, or for the end; how many there are."""
        with self._state:
            self._state.wait_for(lambda: self._have > at or self._done or cancel.stopped)
            cancel.check()
            if self.error is not None:
                raise self.error
            return self._have

    def wait(self, cancel: Cancel) -> None:
        """Until all is there and right. Raises as `chunks`."""
        cancel.when_stopped(self.wake)
        with self._state:
            self._state.wait_for(lambda: self._done or cancel.stopped)
            cancel.check()
            if self.error is not None:
                raise self.error
