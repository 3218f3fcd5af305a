"""Cancel: ends what threads do for somebody who has gone, also where they wait for the network."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from corral.linux.streams import Ended


class Cancel:
    """One for each piece of work. Threads call `check`, `wait` and `using`; whoever owns the work calls `stop`.

    >>> cancel = Cancel()
    >>> cancel.check()
    >>> cancel.stop()
    >>> cancel.check()
    Traceback (most recent call last):
    corral.linux.streams.Ended
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._links: set[socket.socket] = set()
        self._calls: list[Callable[[], None]] = []

    @property
    def stopped(self) -> bool:
        return self._event.is_set()

    def stop(self) -> None:
        """From any thread; twice is fine."""
        self._event.set()
        with self._lock:
            links, calls = list(self._links), list(self._calls)
        for link in links:
            with contextlib.suppress(OSError):  # it was closed just now
                link.shutdown(socket.SHUT_RDWR)
        for call in calls:
            call()

    def check(self) -> None:
        """Raises Ended when it was stopped."""
        if self._event.is_set():
            raise Ended

    def wait(self, seconds: float) -> None:
        """A pause. Raises Ended as soon as it is stopped."""
        if self._event.wait(seconds):
            raise Ended

    def when_stopped(self, call: Callable[[], None]) -> None:
        """Calls it when it is stopped; at once if it is already."""
        with self._lock:
            self._calls.append(call)
        if self.stopped:
            call()

    @contextlib.contextmanager
    def using(self, link: socket.socket) -> Iterator[None]:
        """Whoever waits for this socket meanwhile is woken by `stop`."""
        with self._lock:
            self._links.add(link)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._links.discard(link)
