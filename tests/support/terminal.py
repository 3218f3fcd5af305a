"""A program on a pseudo-terminal of its own: what a person at a keyboard does, and sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence


class Terminal:
    """`with Terminal(argv, env) as t:` then `t.expect("/ #")`, `t.send("ls\\n")`, `t.wait()`."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], *, rows: int = 24, columns: int = 80) -> None:
        self._fd, inner = pty.openpty()
        self.resize(rows, columns)
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=inner,
                stdout=inner,
                stderr=inner,
                env={**env, "TERM": "xterm"},
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
            )
        finally:
            os.close(inner)
        self.seen = ""
        self._from = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._fd)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def _read(self, seconds: float) -> bool:
        """True if something came; False at the end of the program's output."""
        if not select.select([self._fd], [], [], max(seconds, 0))[0]:
            raise AssertionError(f"nothing more came on the terminal; seen: {self.seen!r}")
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: the last process closed the other side
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern: str, *, seconds: float = 20) -> re.Match[str]:
        """Wait until the regular expression comes in what is new.

        :raises AssertionError: it did not, in time or at all.
        """
        deadline = time.monotonic() + seconds
        while True:
            if found := re.compile(pattern).search(self.seen, self._from):
                self._from = found.end()
                return found
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"the program ended; {pattern!r} was not in {self.seen!r}")

    def drag(self, rows: int, columns: int, pattern: str, *, seconds: float = 20) -> None:
        """Resize, again and again, until the regular expression comes: docker listens for changes only when its first
        word on the size has been answered, and misses one that comes before.

        :raises AssertionError: it did not come.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.resize(rows, columns)
            try:
                self.expect(pattern, seconds=1)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                self.resize(rows, columns - 1)  # the kernel tells nobody of a size that stays as it is
            else:
                return

    def wait(self, *, seconds: float = 20) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        return self._process.wait(timeout=max(deadline - time.monotonic(), 1))
