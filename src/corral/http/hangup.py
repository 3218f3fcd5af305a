"""What the kernel knows of the other end of a connection: whether it has left, and whether it has read everything.

A client that has half-closed its connection must be told from one that has left. Both look the same to a reader:
end of file. A unix socket whose peer has closed altogether also reports a hang-up (POLLHUP) at once; a TCP socket
only after a reset. The hang-up of a half-closed connection is watched by an epoll of its own, whose descriptor the
event loop watches: the loop's own one no longer looks at a socket that is at its end.
"""

from __future__ import annotations

import asyncio
import fcntl
import select
import struct
import termios
from collections.abc import Callable


def hung_up(fd: int) -> bool:
    """Whether the other end of a socket is closed in both directions, now."""
    poller = select.poll()
    poller.register(fd, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll(0))


def unread(fd: int) -> int:
    """How much of what was sent on a unix socket the other end has not read (in the kernel's own measure)."""
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))[0])


class HangupWatch:
    """Calls back once, when the other end of the socket is closed in both directions."""

    def __init__(self, fd: int, callback: Callable[[], None]) -> None:
        self._epoll = select.epoll(1)
        self._epoll.register(fd, select.EPOLLONESHOT)
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._ready)

    def _ready(self) -> None:
        self.close()
        self._callback()

    def close(self) -> None:
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
