"""A hijacked connection and the user's terminal, pumped both ways until one side ends."""

from __future__ import annotations

import os
import select
import signal
import socket

from corral.cli.frames import STDERR, Demux
from corral.cli.terminal import KeyFilter, Raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from corral.cli.http import Reply

PROXIED = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "CONT")


class Signals:
    """While entered, the given signals are read from `fd` as bytes instead of ending the command."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._before: dict[int, object] = {}
        self.fd = -1

    def __enter__(self) -> Signals:
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._numbers:
            self._before[number] = signal.signal(number, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup)
        os.close(self.fd)
        os.close(self._write)


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


class Pump:
    """Moves bytes between a hijacked connection and descriptors 0, 1 and 2.

    `run` returns "end" when the other side has ended, "detached" when the detach keys were typed.
    What is typed is read only when the last of it went out, so a program that does not read cannot stall its output.
    """

    def __init__(
        self,
        reply: Reply,
        *,
        stdin: bool,
        tty: bool,
        detach_keys: bytes = b"",
        on_signal: Callable[[int], None] | None = None,
    ) -> None:
        self._link = reply.link
        self._first = reply.leftover()
        self._stdin = stdin
        self._tty = tty
        self._keys = KeyFilter(detach_keys if tty else b"")
        self._demux = None if tty else Demux()
        self._on_signal = on_signal
        self._pending = b""
        self._half_closed = False

    def run(self, signals: Sequence[int] = ()) -> str:
        with Raw(0 if self._tty and self._stdin else -1), Signals(signals) as caught:
            if self._first:
                self._show(self._first)
            return self._loop(caught.fd)

    def _loop(self, signal_fd: int) -> str:
        while True:
            poll = select.poll()
            poll.register(self._link, select.POLLIN | (select.POLLOUT if self._pending else 0))
            poll.register(signal_fd, select.POLLIN)
            if self._stdin and not self._pending:
                poll.register(0, select.POLLIN)
            ready = dict(poll.poll())
            if signal_fd in ready and self._on_signal:
                for number in os.read(signal_fd, 256):
                    self._on_signal(number)
            if 0 in ready and self._typed():
                return "detached"
            self._flush()
            if ready.get(self._link.fileno(), 0) & ~select.POLLOUT and not self._received():
                return "end"

    def _typed(self) -> bool:
        try:
            data = os.read(0, 32768)
        except OSError:  # a terminal that went away
            data = b""
        if not data:
            self._stdin = False
            self._half_closed = True
            return False
        self._pending, detach = self._keys.feed(data)
        return detach

    def _flush(self) -> None:
        try:
            if self._pending:
                sent = self._link.send(self._pending, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                self._pending = self._pending[sent:]
            elif self._half_closed:
                self._half_closed = False
                self._link.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:  # the other side reads no more; what it still says is read on
            self._pending, self._stdin = b"", False

    def _received(self) -> bool:
        try:
            data = self._link.recv(65536)
        except ConnectionResetError:
            return False
        if data:
            self._show(data)
        return bool(data)

    def _show(self, data: bytes) -> None:
        if self._demux is None:
            write_all(1, data)
            return
        for stream, part in self._demux.feed(data):
            write_all(2 if stream == STDERR else 1, part)


def show_frames(reply: Reply) -> None:
    """A body that only comes: logs. Multiplexed unless its content type says it is raw."""
    demux = None if "raw-stream" in reply.headers.get("content-type", "") else Demux()
    for data in reply.chunks():
        for stream, part in demux.feed(data) if demux else [(1, data)]:
            write_all(2 if stream == STDERR else 1, part)
