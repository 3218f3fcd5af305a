"""What takes long and is needed late, done beside the first tests: Debian trees, environments, a guest's whole run.

A test names it, `pytest.mark.ahead.with_args(work)`. What the chosen tests name is begun with the session, each in a
thread of its own (tests/conftest.py), and ends with it. The programs that run in here leave the processors to
the tests when these want them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
NICE = 10  # a tenth of the weight of what is not nice
GRACE = 30.0  # seconds in which a program that is asked to end has cleaned up


class Begins(Protocol):
    """What can be begun ahead; to begin it again is nothing."""

    def begin(self) -> None: ...


class Session:
    """The threads and programs of one session of tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False
        self._programs: set[subprocess.Popen[Any]] = set()
        self._threads: list[threading.Thread] = []

    def thread(self, target: Callable[[], None]) -> None:
        """Run it beside the tests."""
        thread = threading.Thread(target=target, name="ahead", daemon=True)
        self._threads.append(thread)
        thread.start()

    @contextmanager
    def started(
        self, argv: Sequence[str | Path], *, nice: int = NICE, **options: Any
    ) -> Iterator[subprocess.Popen[Any]]:
        """A program with all that it starts: ended with the block, with the session, and with the tests' own end.

        :raises InterruptedError: the session is over.
        """
        # In a session of its own, so that all of it can be ended, and so that a ^C reaches the tests first.
        command = ["setpriv", "--pdeathsig", "TERM", "nice", "-n", str(nice), *map(str, argv)]
        with self._lock:
            if self._over:
                raise InterruptedError("the session of tests is over")
            program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
            self._programs.add(program)
        with suppress(OSError):  # where the kernel shares time out by session, it is the session that must be nice
            Path(f"/proc/{program.pid}/autogroup").write_text(str(nice))
        try:
            yield program
        finally:
            _end([program])
            with self._lock:
                self._programs.discard(program)

    def run(self, argv: Sequence[str | Path], *, timeout: float, nice: int = NICE, **options: Any) -> str:
        """A program to its end: what it printed.

        :raises AssertionError: it failed; the message holds what it printed.
        :raises subprocess.TimeoutExpired: it did not end in time, and was ended.
        :raises InterruptedError: the session is over.
        """
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with self.started(argv, nice=nice, **streams, **options) as program:
            said, _ = program.communicate(timeout=timeout)
        assert program.returncode == 0, f"{' '.join(map(str, argv))}: exit {program.returncode}\n{said[-3000:]}"
        return str(said)

    def end(self) -> None:
        """End whatever runs. What is begun later is refused."""
        with self._lock:
            self._over = True
            programs = list(self._programs)
        _end(programs)
        for thread in self._threads:
            thread.join(GRACE)


def _end(programs: Iterable[subprocess.Popen[Any]]) -> None:
    running = [program for program in programs if program.poll() is None]
    for program in running:
        _signal(program, signal.SIGTERM)
    for program in running:
        try:
            program.wait(GRACE)
        except subprocess.TimeoutExpired:
            _signal(program, signal.SIGKILL)
            program.wait()


def _signal(program: subprocess.Popen[Any], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(program.pid, number)


SESSION = Session()
run, started = SESSION.run, SESSION.started


class Work(Generic[T]):
    """`work()` is what `make` makes: by whoever asks first; who asks meanwhile, waits.

    What could not be made ahead is tried again by the test that needs it: it shows why.

    >>> work = Work(lambda: print("made") or 7)
    >>> work(), work()
    made
    (7, 7)
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    def begin(self) -> None:
        SESSION.thread(self._try)

    def _try(self) -> None:
        with suppress(Exception):
            self()
