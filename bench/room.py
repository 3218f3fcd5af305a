"""A room: private process, network and mount namespaces for one engine, and what its processes use.

Whatever an engine does to bridges, firewall rules and mounts happens inside, and ends with the room. A container's
processes are in a process namespace of their own below the room's; so those that are directly in the room's are exactly
the engine's: its daemons and what it keeps running for every container.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

# Ignored SIGCHLD: as the first process of its namespace, it is also the parent of all orphans. (A trap would not do:
# dash does not pass it on.)
# A fresh /run: engines keep their locks, sockets and network namespaces there.
HOLD = (
    "ip link set lo up; mount -t tmpfs tmpfs /run; mkdir /run/lock; echo ready; "
    "exec env --ignore-signal=CHLD sleep infinity"
)
HEARTBEATS = 21.0  # seconds in which a node of a cluster has two
NAMESPACES = ("--fork", "--kill-child", "--pid", "--mount-proc", "--net", "--mount", "--propagation", "private")


@contextmanager
def undisturbed() -> Iterator[None]:
    """While it lasts this process collects no garbage: what is measured is another process, and must not wait for it.

    After the measures before it, a full collection here took 150 ms; one within four seconds at 500 requests a second
    is the p99 by itself.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Room:
    """`with Room(folder) as room:`; at the end all its processes are gone, and the folder too.

    It also ends when the benchmark is killed: then only the folder stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Room:
        self.folder.mkdir(parents=True)
        argv = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "sh", "-c", HOLD]
        with open(self.folder / "room.log", "wb") as log:
            self._outer = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        assert self._outer.stdout is not None
        if self._outer.stdout.readline() != b"ready\n":
            raise RuntimeError("no room of its own for an engine: unshare(1), setpriv(1) or a namespace is missing")
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text()
        self.holder = int(children.split()[0])
        self._namespace = os.readlink(f"/proc/{self.holder}/ns/pid")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.holder, signal.SIGKILL)
        self._outer.wait()
        assert self._outer.stdout is not None
        self._outer.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The argument vector that runs `argv` in the room."""
        return ["nsenter", "--target", str(self.holder), "--mount", "--net", "--pid", "--", *argv]

    def processes(self) -> Iterator[int]:
        """The engine's own processes: neither the containers' nor the one that holds the room."""
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == self.holder:
                continue
            with suppress(OSError):
                if os.readlink(f"/proc/{name}/ns/pid") == self._namespace:
                    yield int(name)

    def memory(self) -> float:
        """MB (10⁶ bytes) of the engine's own processes; what they share is divided among those who share it (PSS)."""
        total = 0
        for pid in self.processes():
            with suppress(OSError):
                total += pss(Path(f"/proc/{pid}/smaps_rollup").read_text())
        return total / 1e6

    def cpu(self) -> float:
        """Seconds of a core that the engine's own running processes have used so far."""
        total = 0
        for pid in self.processes():
            for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with suppress(OSError):
                    total += int(thread.read_text().split()[0])
        return total / 1e9

    def settle(self, *, quiet: float = 0.05, at_most: float = 10.0) -> None:
        """Return when the engine rests, so that its late work is not counted against the next one."""
        deadline = time.monotonic() + at_most
        before = self._activity()
        while time.monotonic() < deadline:
            time.sleep(quiet)
            after = self._activity()
            if after[0] == before[0] and after[1] - before[1] < 0.04 * quiet:
                return
            before = after

    def _activity(self) -> tuple[set[int], float]:
        return set(self.processes()), self.cpu()


def at_rest(cpu: Callable[[], float]) -> None:
    """Returns when what a start leaves to do is done. `cpu`: the seconds of a core that the process has used so far."""
    before = cpu()
    while True:
        time.sleep(1)
        used, before = cpu() - before, cpu()
        if used < 0.1:
            return


def pss(rollup: str) -> int:
    """Bytes, from the text of smaps_rollup. Pure.

    >>> pss("00400000-7fff00000000 ---p 00000000 00:00 0 [rollup]\\nPss:  1234 kB\\nPss_Anon: 1000 kB\\n")
    1263616
    """
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
