from __future__ import annotations

import asyncio
import os
import select
import signal

import pytest

from corral.linux import proc
from corral.linux.limits import parse_kernel
from corral.linux.spawn import spawn


async def test_a_process_is_told_from_its_successor() -> None:
    ready, said = os.pipe()
    silent, unused = os.pipe()
    child = spawn(["sh", "-c", "echo; read line"], stdin=silent, stdout=said)
    assert os.read(ready, 1) == b"\n"  # from here on it is its own program, not on the way to it
    start = proc.start_time(child.pid)
    assert start > 0
    assert proc.alive(child.pid, start)
    assert not proc.alive(child.pid, start + 1)
    assert child.pid in proc.children(os.getpid())
    assert proc.comm(child.pid) == "sh"
    assert proc.cmdline(child.pid) == ["sh", "-c", "echo; read line"]
    assert proc.parent(child.pid) == os.getpid()
    fd = proc.open_pidfd(child.pid)
    assert fd is not None
    waiting = asyncio.create_task(proc.wait_exit(fd))
    child.kill()
    await asyncio.wait_for(waiting, 60)
    for each in (fd, ready, said, silent, unused):
        os.close(each)
    await child.wait()
    assert proc.start_time(child.pid) == 0
    assert not proc.alive(child.pid, start)
    assert proc.open_pidfd(child.pid) is None
    assert proc.cmdline(child.pid) == []


def test_nobody_is_not_alive() -> None:
    assert not proc.alive(0, 0)


def test_names_with_parentheses() -> None:
    assert proc.parse_start_time("7 (x) (y z)) R " + " ".join(str(n) for n in range(4, 60))) == 22


def test_a_process_in_the_middle_of_its_exec_has_its_arguments() -> None:
    for _ in range(50):
        pid = os.posix_spawn("/bin/sleep", ["sleep", "100"], {})
        try:
            assert proc.cmdline(pid) == ["sleep", "100"]
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.mark.parametrize(("ending", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("exit 0", 0)])
def test_the_exit_code_of_a_process_that_ended(ending: str, code: int) -> None:
    """Of one that nobody has reaped, and, where the kernel keeps it for descriptors, of one that somebody has."""
    silent, unused = os.pipe()
    child = os.posix_spawn("/bin/sh", ["sh", "-c", f"read line; {ending}"], os.environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, silent, 0), (os.POSIX_SPAWN_CLOSE, unused)
    ])  # fmt: skip
    start, fd = proc.start_time(child), proc.open_pidfd(child)
    assert fd is not None
    os.close(unused)
    assert select.select([fd], [], [], 60)[0]
    assert proc.exit_code(child, start, fd) == code
    os.waitpid(child, 0)
    tells = parse_kernel(os.uname().release) >= (6, 15)
    assert proc.exit_code(child, start, fd) == (code if tells else None)
    for each in (fd, silent):
        os.close(each)
