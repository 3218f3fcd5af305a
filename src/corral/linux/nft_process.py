"""The process that has libnftables in it (`nft_worker`): started, asked, buried. Blocks.

What is in a network namespace is read by libnftables whole, other programs' rules and those of a container that may
change its own: where it crashes over them, a request fails and the next one gets a new process.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from corral.errors import HostError, from_oserror
from corral.linux import nft_worker
from corral.linux.namespaces import in_netns, netns_of

SECONDS: Final = 60.0  # for one command, however busy the machine is
COMMAND: Final = (sys.executable, "-I", "-S", nft_worker.__file__)
_DEAF = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]  # it ends with the daemon, not before
_RESET = [signal.SIGPIPE, signal.SIGXFSZ]  # Python ignores these two; a child gets the defaults
_HERE: Final = "/proc/thread-self/ns/net"
_LAST_SECONDS: Final = 10.0  # between the end of its socket and its own
_UNEXPLAINED: Final = "in the middle of a command: whether that was done is not known"


class Reply(NamedTuple):
    status: int
    said: bytes
    complaint: bytes


class Process:
    """One user at a time. What a thread of another network namespace starts is in the main thread's all the same."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                pid = _spawn(command, theirs.fileno())
            self.pid, self._pidfd = pid, os.pidfd_open(pid)
        except OSError as error:
            self._socket.close()
            raise from_oserror(f"start {command[0]}", error) from error
        self._hangup = select.poll()
        self._hangup.register(self._socket, 0)  # which leaves POLLHUP

    @property
    def alive(self) -> bool:
        return not self._hangup.poll(0)

    def ask(self, what: int, context: int, text: bytes, seconds: float, netns: int | None = None) -> Reply:
        """HostError when it died of that, or took longer; it is dead then, and `end` has been done."""
        message = nft_worker.REQUEST.pack(what, context, len(text)) + text
        try:
            return self._exchange(message, netns, time.monotonic() + seconds)
        except TimeoutError:
            self.end()
            raise HostError(f"nftables: no answer after {seconds:g} s, libnftables was ended {_UNEXPLAINED}") from None
        except (OSError, EOFError):
            raise HostError(f"nftables: {death_words(self._bury())}") from None
        except BaseException:  # the answer would be taken for that to the next request
            self.end()
            raise

    def _exchange(self, message: bytes, netns: int | None, deadline: float) -> Reply:
        self._wait_until(deadline)
        sent = socket.send_fds(self._socket, [message], [] if netns is None else [netns])
        while sent < len(message):
            self._wait_until(deadline)
            sent += self._socket.send(message[sent : sent + (1 << 20)])
        status, said, complaint = nft_worker.REPLY.unpack(self._read(nft_worker.REPLY.size, deadline))
        found = self._read(said + complaint, deadline)
        return Reply(status, found[:said], found[said:])

    def _read(self, size: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < size:
            self._wait_until(deadline)
            part = self._socket.recv(min(size - len(found), 1 << 20))
            if not part:
                raise EOFError
            found += part
        return bytes(found)

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self._bury()

    def forget(self) -> None:
        """It is the child of a process that this one was forked from."""
        self._socket.close()
        os.close(self._pidfd)

    def _bury(self) -> int:
        """Its exit code, or minus the signal that killed it. Once."""
        self._socket.close()
        try:
            ended = select.poll()
            ended.register(self._pidfd, select.POLLIN)
            if not ended.poll(_LAST_SECONDS * 1000):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except (ChildProcessError, ProcessLookupError):  # somebody else waits for all children of this process
            return 0
        finally:
            os.close(self._pidfd)
        assert result is not None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def _spawn(command: Sequence[str], channel: int) -> int:
    """In the network namespace of the main thread, which is the process's own: a process that was started in a
    container's would keep that one from ending."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    actions = [(os.POSIX_SPAWN_DUP2, *pair) for pair in ((channel, 0), (null, 1), (null, 2))]

    def start() -> int:
        return os.posix_spawn(
            command[0], list(command), os.environ, file_actions=actions, setsid=True, setsigmask=_DEAF, setsigdef=_RESET
        )

    home = netns_of(os.getpid())
    try:
        return start() if os.path.samestat(os.fstat(home), os.stat(_HERE)) else in_netns(home, start)
    finally:
        os.close(home)
        os.close(null)


def death_words(code: int) -> str:
    """Pure: why there is no answer from a process that ended so (minus a signal, or an exit code).

    >>> death_words(-9)
    'libnftables was ended by SIGKILL in the middle of a command: whether that was done is not known'
    >>> death_words(-11).partition(", ")[0]
    'libnftables died (SIGSEGV) of the rules in this network namespace'
    """
    if code >= 0:
        return f"libnftables ended with exit code {code} {_UNEXPLAINED}"
    name = signal.Signals(-code).name
    if -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        return f"libnftables was ended by {name} {_UNEXPLAINED}"
    return (
        f"libnftables died ({name}) of the rules in this network namespace, probably another program's, written by a "
        "newer nft: `nft list tables` dies there as well; update nftables, or remove that table with the program that "
        "made it"
    )
