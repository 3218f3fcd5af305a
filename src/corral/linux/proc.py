"""Processes as /proc shows them. A pid alone may be recycled; a pid with its start time is one process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import time
from functools import cache

from corral.errors import from_oserror

# struct pidfd_info as far as every kernel with exit statuses knows it (since 6.15), and the ioctl with its size.
_INFO = struct.Struct("=QQ11Ii")
_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11
_EXIT = 1 << 3  # the part of it that is asked for

_EXEC = 0.05  # seconds in which an exec is over, on a busy machine too; a process may have wiped its arguments, too


def start_time(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 if there is none."""
    text = _read(pid, "stat")
    return parse_start_time(text) if text else 0


def alive(pid: int, start: int) -> bool:
    """Whether this very process still runs: neither gone, nor a zombie, nor another one with its pid."""
    text = _read(pid, "stat") if pid > 0 else ""
    return bool(text) and parse_start_time(text) == start and _state(text) not in "ZX"


def parse_start_time(stat: str) -> int:
    """Pure: field 22 of /proc/PID/stat. The name in field 2 may hold spaces and parentheses.

    >>> parse_start_time("7 (a) b) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0")
    12345
    """
    return int(stat.rpartition(")")[2].split()[19])


def _state(stat: str) -> str:
    return stat.rpartition(")")[2].split()[0]


def comm(pid: int) -> str:
    """The short name of the program, "" if there is no such process."""
    return _read(pid, "comm").rstrip("\n")


def cmdline(pid: int) -> list[str]:
    """The arguments; empty if there is no such process, or it is a kernel thread or a zombie.

    In the middle of its exec a process has a program and no arguments yet: they are waited for, some milliseconds.
    """
    deadline = time.monotonic() + _EXEC
    while not (text := _read(pid, "cmdline")):
        if not _has_program(pid) or time.monotonic() > deadline:
            return []
        time.sleep(0.0005)
    return text.removesuffix("\0").split("\0")


def _has_program(pid: int) -> bool:
    try:
        return bool(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return False


def group_text(pid: int) -> str:
    """In which cgroups a process is, as the kernel writes it; "" if there is no such process."""
    return _read(pid, "cgroup")


def children(pid: int) -> list[int]:
    """Its direct children, of all its threads."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [int(child) for thread in threads for child in _read(pid, f"task/{thread}/children").split()]


def parent(pid: int) -> int:
    """The parent's pid; 0 if there is no such process."""
    text = _read(pid, "stat")
    return int(text.rpartition(")")[2].split()[1]) if text else 0


def open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None if there is no such process."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    except OSError as error:
        raise from_oserror(f"open process {pid}", error) from error


async def wait_exit(pidfd: int) -> None:
    """Returns when the process behind the descriptor has ended. It need not be a child; the caller closes."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(pidfd, _set, ended)
    try:
        await ended
    finally:
        loop.remove_reader(pidfd)


def exit_code(pid: int, start: int, pidfd: int) -> int | None:
    """With which code a process has ended that is nobody's child here, as shells tell it: as long as nobody has reaped
    it, and, from Linux 6.15 on, by a descriptor that was opened while it lived, after that. None where neither tells.
    """
    stat = _read(pid, "stat")
    zombie = stat and parse_start_time(stat) == start and _state(stat) == "Z"
    status = int(stat.split()[-1]) if zombie else _reaped_status(pidfd)
    return None if status is None else parse_status(status)


def parse_status(status: int) -> int:
    """Pure: an exit code from a status as wait(2) has it.

    >>> parse_status(7 << 8), parse_status(9), parse_status(0)
    (7, 137, 0)
    """
    signal = status & 0x7F
    return 128 + signal if signal else status >> 8 & 0xFF


def _reaped_status(pidfd: int) -> int | None:
    asked = bytearray(_INFO.size)
    struct.pack_into("=Q", asked, 0, _EXIT)
    try:
        fcntl.ioctl(pidfd, _GET_INFO, asked)
    except OSError:  # the kernel does not know the question
        return None
    told, *_, status = _INFO.unpack(asked)
    return status if told & _EXIT else None


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@cache
def boot_id() -> str:
    """Changes with every boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _read(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:  # it ended: before the open (ENOENT) or before the read (ESRCH)
        return ""


def available_memory(meminfo: str) -> int:
    """Pure: the bytes that programs can still get, by the text of /proc/meminfo; 0 if it does not say.

    >>> available_memory("MemTotal: 9 kB\\nMemAvailable:   2048 kB\\n")
    2097152
    """
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) << 10
    return 0


def free_memory() -> int:
    """The same, of this machine now."""
    with open("/proc/meminfo") as file:
        return available_memory(file.read())
