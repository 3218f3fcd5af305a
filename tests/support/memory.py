"""A tests' process that takes too much memory says where it stands, and ends, before the machine has none left.

The kernel would kill it without a word, or something else in its place. So a process of its own looks at it once a
second, however busy that one's interpreter is, and asks for the stacks of its threads.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

MOST = 4 << 30  # bytes; the whole suite needs less than a tenth of that
_ASK = signal.SIGUSR2
_WORDS = 2.0  # seconds for the stacks to be written


def resident(pid: int) -> int:
    """Bytes of a process that are in memory; 0: it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError):
        return 0


class Guard:
    """Looks after the calling process until `end`. What there is to say comes out where its errors do now."""

    def __init__(self, most: int = MOST) -> None:
        self._stderr = os.dup(2)  # tests are given another
        faulthandler.register(_ASK, file=self._stderr, all_threads=True)
        command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(most)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=self._stderr, start_new_session=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> None:
        faulthandler.unregister(_ASK)
        self._process.kill()
        self._process.wait()
        os.close(self._stderr)


def _watch(pid: int, most: int) -> None:
    pidfd = os.pidfd_open(pid)
    while taken := resident(pid):
        if os.getppid() != pid:
            return
        if taken > most:
            words = f"\nThe tests' process takes {taken >> 20} MiB, more than {most >> 20}. It stands at:"
            print(words, file=sys.stderr)
            signal.pidfd_send_signal(pidfd, _ASK)
            time.sleep(_WORDS)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            return
        time.sleep(1)


if __name__ == "__main__":
    _watch(int(sys.argv[1]), int(sys.argv[2]))
