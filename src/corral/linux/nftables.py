"""nftables through libnftables: the kernel's firewall and address translation, spoken to in nft's own language.

One context is kept, for loading it costs more than most commands: a map element then takes 0.2 ms where an
`nft` process takes 3. A text of several commands is one transaction: all of it happens, or nothing.

The library is in a process of its own (`nft_process`), one for all users here. It is there while any of them is.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Sequence
from typing import Final

from corral.errors import HostError, Unsupported
from corral.linux import nft_worker
from corral.linux.namespaces import netns_of
from corral.linux.nft_process import COMMAND, SECONDS, Process

log = logging.getLogger("corral")


class Workers:
    """The one process, and the next one when it has died."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self._command = command
        self._process: Process | None = None
        self._owner = 0

    @property
    def pid(self) -> int | None:
        """Of the process; None: there is none."""
        process = self._process
        return process.pid if process is not None and process.alive else None

    def living(self) -> Process:
        """For whoever holds the lock: starts one where there is none. It is not waited for. HostError."""
        process = self._process
        if process is not None:
            if self._owner != os.getpid():
                process.forget()
            elif process.alive:
                return process
            else:
                log.warning("libnftables' process had ended; the next one is started")
                process.end()
            self._process = None
        self._process, self._owner = Process(self._command), os.getpid()
        return self._process

    def has(self, process: Process) -> bool:
        """For whoever holds the lock: that one lives still."""
        return process is self._process and self._owner == os.getpid() and process.alive

    def died(self) -> None:
        """For whoever holds the lock: it has been buried."""
        self._process = None

    def leave(self) -> None:
        """One user less; with the last one the process ends."""
        with self.lock:
            self.users -= 1
            if self.users <= 0 and self._process is not None and self._owner == os.getpid():
                self._process.end()
                self._process = None


_workers: Final = Workers()


def start_early() -> None:
    """Starts the process, and does not wait until it is ready: the first `Nft` finds it so. HostError."""
    with _workers.lock:
        _workers.living()


class Nft:
    """In the network namespace `netns`, or else in that of the thread that makes it, whoever uses it then. Several
    threads may. What takes longer than `seconds` is given up.

    Every method raises HostError also when libnftables died of the command, and Unsupported where there is none.
    """

    def __init__(self, netns: int | None = None, *, seconds: float = SECONDS, workers: Workers = _workers) -> None:
        self._netns = netns_of(0) if netns is None else fcntl.fcntl(netns, fcntl.F_DUPFD_CLOEXEC, 3)
        self._workers, self._seconds = workers, seconds
        self._process: Process | None = None
        self._context = 0
        self._ports: frozenset[int] = frozenset()
        try:
            with workers.lock:
                workers.users += 1
                self._opened()
        except BaseException:
            self.close()
            raise

    def run(self, commands: str) -> str:
        """Does what `nft -f` would do with this text; returns what it prints. HostError with nft's own words."""
        return self._run(nft_worker.RUN, commands)

    def json(self, command: str) -> list[dict[str, object]]:
        """The objects that a listing command ("list map inet corral ports") returns."""
        said = self._run(nft_worker.RUN_JSON, command)
        found: list[dict[str, object]] = json.loads(said)["nftables"] if said else []
        return found

    def did(self, port: int) -> bool:
        """Whether a change that the kernel tells of, with that netlink port, was made by this context. Where that
        cannot be known it was. Asks nobody: every change of our own is told of, too."""
        return not self._ports.isdisjoint((0, port))

    def close(self) -> None:
        """Ends the context, also of one whose command is under way in another thread: it waits for that."""
        with self._workers.lock:
            if self._netns < 0:
                return
            os.close(self._netns)
            self._netns = -1
            process, self._process = self._process, None
            if process is not None and self._workers.users > 1 and self._workers.has(process):
                try:
                    self._ask(process, nft_worker.CLOSE)
                except HostError as error:
                    log.warning("%s", error.message)
        self._workers.leave()

    def _run(self, what: int, commands: str) -> str:
        with self._workers.lock:
            if self._netns < 0:
                raise HostError("nftables: closed already")
            return self._ask(self._opened(), what, commands)

    def _opened(self) -> Process:
        """The process, with the context in it."""
        process = self._workers.living()
        if process is not self._process:
            self._context = int(self._ask(process, nft_worker.OPEN, netns=self._netns))
            self._process = process
            self._ports |= {int(self._ask(process, nft_worker.PORT))}  # what an earlier process did is still ours
        return process

    def _ask(self, process: Process, what: int, text: str = "", netns: int | None = None) -> str:
        data = text.encode()
        try:
            reply = process.ask(what, self._context, data, self._seconds, netns)
        except BaseException:
            self._workers.died()
            raise
        complaint = reply.complaint.decode(errors="replace")
        if reply.status == nft_worker.MISSING:
            raise Unsupported(complaint)
        if reply.status == nft_worker.REFUSED:
            raise HostError(complaint)
        if reply.status == nft_worker.FAILED:
            raise HostError(f"nftables: {first_complaint(complaint)}")
        return reply.said.decode(errors="replace")


def first_complaint(text: str) -> str:
    """Pure: nft's error without the position and the marks under the source line.

    >>> first_complaint("/dev/stdin:1:12-15: Error: No such file or directory\\nadd rule x y\\n    ^^^^\\n")
    'No such file or directory: add rule x y'
    """
    lines = [line for line in text.splitlines() if line.strip(" ^~")]
    if not lines:
        return "refused without a reason"
    reason = lines[0].partition("Error: ")[2] or lines[0]
    return f"{reason}: {lines[1].strip()}" if len(lines) > 1 else reason
