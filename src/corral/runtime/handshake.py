"""The handshake with conmon: how one monitor is started, told to go on, and heard.

conmon first waits on its start "pipe". Here that is an eventfd: unlike a pipe it has no end of file, so a monitor
whose daemon dies before saying "go" waits for ever instead of making a container that nobody knows of, and the
next daemon ends it. While it waits it has done its own start-up, so it can be started before the bundle is ready.

With `--sync` it stays the daemon's child: no second fork, and its end is seen at once.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from corral.errors import HostError
from corral.linux.spawn import Child, spawn

# Go programs start a thread for each core; these do one thing and end.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS": "2"}
_LONGEST_SOCKET = 107 - len("/conmon-term.XXXXXX")


@dataclass(frozen=True)
class Answer:
    """What conmon said: the process' pid, or -1 (or less) and why."""

    pid: int
    message: str = ""


@dataclass
class Handshake:
    """One conmon that has been started. Close it when it has answered; what runs then goes on."""

    child: Child
    _sync: int
    _start: int
    _attach: int
    _errors: int
    _said: bytes = field(default=b"", repr=False)

    @classmethod
    def begin(cls, argv: Sequence[str], directory: str, *, attach: bool) -> Handshake:
        """Starts conmon in `directory`, where it waits for `go`. HostError when it cannot be started."""
        errors = os.memfd_create("conmon", os.MFD_CLOEXEC)
        start = os.eventfd(0, os.EFD_CLOEXEC)
        sync, sync_end = os.pipe2(os.O_CLOEXEC)
        told, told_end = os.pipe2(os.O_CLOEXEC)
        env = {**ENVIRONMENT, "_OCI_SYNCPIPE": str(sync_end), "_OCI_STARTPIPE": str(start)}
        if len(directory) <= _LONGEST_SOCKET:  # where it makes the socket by which it gets a terminal
            env["TMPDIR"] = directory
        kept = [sync_end, start]
        if attach:
            env["_OCI_ATTACHPIPE"] = str(told_end)
            kept.append(told_end)
        try:
            child = spawn(argv, env=env, cwd=directory, stderr=errors, pass_fds=kept, setsid=True)
        except HostError:
            for fd in (sync, start, told, errors):
                os.close(fd)
            raise
        finally:
            os.close(sync_end)
            os.close(told_end)
        return cls(child, sync, start, told, errors)

    def go(self) -> None:
        """Lets it go on: the first time to make the process or (with `attach`) its console, then to start it."""
        os.eventfd_write(self._start, 1)

    async def attachable(self) -> bool:
        """Waits for the console's socket. False when conmon has failed before: its answer says why."""
        return bool(await _read_line(self._attach))

    async def answer(self) -> Answer:
        """Waits for the process, or for the failure and then for conmon's end."""
        line = await _read_line(self._sync)
        answer = parse_answer(line)
        if answer.pid > 0:
            return answer
        await self.child.wait()
        return Answer(answer.pid, answer.message or os.pread(self._errors, 8192, 0).decode("utf-8", "replace"))

    def close(self) -> None:
        for fd in (self._sync, self._start, self._attach, self._errors):
            os.close(fd)

    def __enter__(self) -> Handshake:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()


def parse_answer(line: bytes) -> Answer:
    """Pure: conmon's line on its sync pipe; anything else is a failure without words.

    >>> parse_answer(b'{"data": 42}\\n'), parse_answer(b'{"data": -1, "message": "no"}'), parse_answer(b"")
    (Answer(pid=42, message=''), Answer(pid=-1, message='no'), Answer(pid=-1, message=''))
    """
    try:
        said: Any = json.loads(line, strict=False)
        return Answer(int(said["data"]), str(said.get("message", "")))
    except (ValueError, KeyError, TypeError):
        return Answer(-1)


async def _read_line(fd: int) -> bytes:
    """The first line; what there is at the end of file. A quick exec's exit code may follow at once: not needed."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    data = b""
    try:
        while b"\n" not in data:
            await ready.wait()
            ready.clear()
            try:
                part = os.read(fd, 65536)
            except BlockingIOError:
                continue
            if not part:
                break
            data += part
    finally:
        loop.remove_reader(fd)
    return data.partition(b"\n")[0]
