"""What takes long and is needed late, made beside the first tests: Debian trees, environments, a guest's whole run.

A test names it, `pytest.mark.ahead.with_args(work)`. What the chosen tests name is begun with the session, and is over
with it at the latest (tests/conftest.py). Each work has a process of its own, so that nothing in the tests' own process
is any different, and gives way to the tests where they want the processors.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
NICE = 10  # a tenth of the weight of what is not nice
GRACE = 60.0  # seconds in which a work that is asked to end has cleaned up
_PR_SET_PDEATHSIG = 1


class Work(Generic[T]):
    """`work()` is what `make` makes; what it was once, it stays.

    :raises AssertionError: it was begun ahead and failed; the message says how.

    >>> work = Work(lambda: print("made") or 7)
    >>> work(), work()
    made
    (7, 7)
    """

    def __init__(self, make: Callable[[], T], *, nice: int = NICE) -> None:
        self._make, self._nice = make, nice
        self._made: list[T] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __call__(self) -> T:
        if not self._made:
            self._made.append(self._result() if self._is_ours() else self._make())
        return self._made[0]

    def begin(self) -> None:
        """Make it in a process of its own."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="corral-ahead-")
            self._owner = os.getpid()
            self._process = multiprocessing.get_context("fork").Process(target=self._main, daemon=True)
            self._process.start()

    def _is_ours(self) -> bool:
        """Begun, and by this process: a work that needs another makes it itself."""
        return self._folder is not None and self._owner == os.getpid()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether what was begun is over, after at most so many seconds."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def _result(self) -> T:
        self.wait()
        assert self._folder
        result, log = Path(self._folder.name, "result"), Path(self._folder.name, "log")
        assert result.exists(), f"exit {self._process.exitcode}: {log.read_text(errors='replace')[-5000:]}"
        made: T = pickle.loads(result.read_bytes())
        return made

    def end(self) -> None:
        """End what was begun, with all that it has started."""
        if self._is_ours() and self._folder:
            if not self.wait(0):
                _signal_group(self._process.pid, signal.SIGTERM)
                if not self.wait(GRACE):
                    _signal_group(self._process.pid, signal.SIGKILL)
                    self.wait()
            self._folder.cleanup()

    # -- in the process of its own -----------------------------------------------------------------------------

    def _main(self) -> None:
        assert self._folder
        folder = Path(self._folder.name)
        _be_apart(folder / "log", self._nice, self._owner)
        try:
            made = self._make()
            (folder / "part").write_bytes(pickle.dumps(made))
            (folder / "part").rename(folder / "result")
        except BaseException:
            traceback.print_exc()
            raise SystemExit(1) from None
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM)  # whatever was left running


def _be_apart(log: Path, nice: int, owner: int) -> None:
    """A session of its own, so that all of it can be ended and a ^C is the tests' alone; and no voice in theirs."""
    os.setsid()
    os.nice(nice)
    with contextlib.suppress(OSError):  # where the kernel shares time out by session, the session must be nice
        Path("/proc/self/autogroup").write_text(str(nice))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != owner:
        sys.exit(143)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for there, here in ((nothing, 0), (words, 1), (words, 2)):
        os.dup2(there, here)
    sys.stdout = sys.stderr = os.fdopen(os.dup(words), "w", buffering=1)


def _signal_group(pid: int | None, number: signal.Signals) -> None:
    assert pid
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
