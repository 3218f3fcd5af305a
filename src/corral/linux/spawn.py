"""Child processes: started without copying the parent's memory, watched without signals or threads.

`spawn` uses posix_spawn (a vfork inside: under 1 ms whatever the parent's size). A pidfd in the event loop
tells of the end, so there is no SIGCHLD handler, and nobody else's children are ever waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from corral.errors import HostError, from_oserror

PassFds = Mapping[int, int] | Sequence[int]
_RESET = [signal.SIGPIPE, signal.SIGXFSZ]  # Python ignores these two; programs expect the defaults


class Child:
    """A child process. It is reaped as soon as it ends, awaited or not."""

    def __init__(self, pid: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self._loop.add_reader(self.pidfd, self._reap)

    def _reap(self) -> None:
        result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        if result is None:
            return
        self._loop.remove_reader(self.pidfd)
        os.close(self.pidfd)
        self.pidfd = -1
        exited = result.si_code == os.CLD_EXITED
        if not self._ended.done():
            self._ended.set_result(result.si_status if exited else -result.si_status)

    @property
    def code(self) -> int | None:
        """Its exit code, or minus the signal that killed it; None while it runs."""
        return self._ended.result() if self._ended.done() else None

    def look(self) -> int | None:
        """The same, as it is this moment: the event loop may come to hear of the end only later."""
        if self.pidfd >= 0:
            self._reap()
        return self.code

    async def wait(self) -> int:
        """The exit code, or minus the signal. Any number of tasks may wait; cancelling one hurts nobody."""
        return await asyncio.shield(self._ended)

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """Sends a signal; a process that has ended is fine. Never hits another process."""
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, sig)


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    pass_fds: PassFds = (),
    setsid: bool = False,
) -> Child:
    """Starts a program (found in PATH). Needs a running event loop.

    `stdin`, `stdout`, `stderr` are descriptors, None means /dev/null. `pass_fds` lists descriptors that the
    child keeps under their own numbers, or maps numbers in the child to descriptors here. Every other one of
    ours is closed on exec. Raises HostError when the program cannot be started, `errno` says why.
    """
    wanted = dict(pass_fds) if isinstance(pass_fds, Mapping) else {fd: fd for fd in pass_fds}
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number, fd in enumerate((stdin, stdout, stderr)):
        wanted[number] = null if fd is None else fd
    opened = [null]
    try:
        moved = _out_of_the_way(wanted, opened)
        pid = _posix_spawn(argv, env, moved, setsid) if cwd is None else _popen(argv, env, cwd, moved, setsid)
    except OSError as error:
        raise from_oserror(f"start {argv[0]}", error) from error
    finally:
        for fd in opened:
            os.close(fd)
    return Child(pid)


def clashes(wanted: Mapping[int, int]) -> set[int]:
    """Pure: the descriptors that would be overwritten before they are copied to their place in the child.

    >>> clashes({0: 5, 3: 4, 4: 3}), clashes({0: 5, 7: 7})
    ({3, 4}, set())
    """
    return {fd for number, fd in wanted.items() if fd != number and fd in wanted}


def _out_of_the_way(wanted: Mapping[int, int], opened: list[int]) -> dict[int, int]:
    above = max(wanted) + 1
    copies: dict[int, int] = {}
    for fd in clashes(wanted):
        copies[fd] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above)
        opened.append(copies[fd])
    return {number: fd if fd == number else copies.get(fd, fd) for number, fd in wanted.items()}


def _posix_spawn(argv: Sequence[str], env: Mapping[str, str] | None, fds: Mapping[int, int], setsid: bool) -> int:
    # A descriptor copied onto itself loses its close-on-exec flag, which is what is wanted.
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in fds.items()]
    environment = os.environ if env is None else env
    return os.posix_spawnp(
        argv[0], list(argv), environment, file_actions=actions, setsid=setsid, setsigmask=[], setsigdef=_RESET
    )


def _popen(argv: Sequence[str], env: Mapping[str, str] | None, cwd: str, fds: Mapping[int, int], setsid: bool) -> int:
    """posix_spawn has no working directory; subprocess has, but moves no descriptors above 2."""
    extra = [number for number in fds if number > 2]
    if any(fds[number] != number for number in extra):
        raise HostError(f"start {argv[0]}: a working directory and moved descriptors exclude each other")
    child = subprocess.Popen(
        list(argv), env=env, cwd=cwd, stdin=fds[0], stdout=fds[1], stderr=fds[2],
        pass_fds=extra, start_new_session=setsid,
    )  # fmt: skip
    child.returncode = 0  # so that the subprocess module never waits for it: the pidfd does
    return child.pid


class Completed(NamedTuple):
    """What a program that has ended left: `code` is negative for a signal."""

    code: int
    out: bytes
    err: bytes


class OutOfTime(HostError):
    """A program was killed because it took too long; `out` and `err` is what it had written by then."""

    def __init__(self, message: str, out: bytes, err: bytes) -> None:
        super().__init__(message)
        self.out, self.err = out, err


async def run(
    argv: Sequence[str],
    *,
    input: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float | None = None,
    more: Callable[[], float] = lambda: 0.0,
    pass_fds: PassFds = (),
) -> Completed:
    """Runs a program to its end. HostError if it cannot start, OutOfTime if it takes longer than `timeout` seconds
    and those that `more` then gives, which is asked again after them.

    It is over when the program exits: what its own children write to the same pipes later is not waited for.
    Cancelled or timed out, it is killed.
    """
    async with contextlib.AsyncExitStack() as stack:
        out, out_end = _pipe(stack)
        err, err_end = _pipe(stack)
        in_end = _feed(stack, input) if input else None
        child = spawn(argv, env=env, cwd=cwd, stdin=in_end, stdout=out_end, stderr=err_end, pass_fds=pass_fds)
        readers = [_Reader(out), _Reader(err)]
        for reader in readers:
            stack.callback(reader.stop)
        try:
            code = await _end_in_time(child, timeout, more)
        except TimeoutError:
            message = f"{' '.join(argv[:3])}: not finished after {timeout} s, killed"
            raise OutOfTime(message, *(r.finish() for r in readers)) from None
        finally:
            child.kill()
        return Completed(code, *(r.finish() for r in readers))


async def _end_in_time(child: Child, left: float | None, more: Callable[[], float]) -> int:
    while True:
        try:
            async with asyncio.timeout(left):
                return await child.wait()
        except TimeoutError:
            if (code := child.look()) is not None:  # a loop that was held up comes late to both
                return code
            if (left := more()) <= 0:
                raise


def _pipe(stack: contextlib.AsyncExitStack) -> tuple[int, int]:
    """Both ends are ours until the stack unwinds, so a reader sees no end of file; the child's exit is the end."""
    try:
        read, write = os.pipe2(os.O_CLOEXEC)
    except OSError as error:
        raise from_oserror("make a pipe", error) from error
    stack.callback(os.close, read)
    stack.callback(os.close, write)
    return read, write


def _feed(stack: contextlib.AsyncExitStack, data: bytes) -> int:
    read, write = os.pipe2(os.O_CLOEXEC)
    stack.callback(os.close, read)
    stack.callback(_Feeder(write, data).stop)
    return read


class _Reader:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._parts: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return False
        self._parts.append(data)
        return bool(data)

    def finish(self) -> bytes:
        while self._read():
            pass
        return b"".join(self._parts)

    def stop(self) -> None:
        self._loop.remove_reader(self._fd)


class _Feeder:
    """Writes the input. A program that reads it to its end must see that end, so the writing end is closed."""

    def __init__(self, fd: int, data: bytes) -> None:
        self._fd = fd
        self._rest = memoryview(data)
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._fd, False)
        self._loop.add_writer(self._fd, self._write)

    def _write(self) -> None:
        try:
            self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._rest = self._rest[:0]
        if not self._rest:
            self.stop()

    def stop(self) -> None:
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1
