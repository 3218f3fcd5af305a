"""The one thread that writes: takes all commits that wait, makes them one transaction, tells each its result."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from corral.errors import CorralError, HostError, Unavailable
from corral.kit.clock import Clock
from corral.store import database
from corral.store.interface import Change
from corral.store.tables import Tables

MAX_GROUP = 512
RETRY = 1.0  # seconds until what nobody asked for is tried again

Work = Callable[[Tables], int]
Waiter = asyncio.Future[int]
Outcome = int | CorralError


class Request:
    """One operation on the tables, and who waits for it on which event loop."""

    __slots__ = ("loop", "waiter", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.waiter: Waiter = self.loop.create_future()


class Writer:
    """Owns the writing connection. `publish` is told of all durable changes, before whoever made them."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._tables = Tables(database.connect(path), clock)
        self.revision = self._tables.revision
        self.publish: Callable[[Sequence[Change], int], None] = lambda changes, revision: None
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def submit(self, work: Work) -> int:
        request = Request(work)
        self._queue.put(request)
        return await request.waiter

    def close(self) -> None:
        """Writes what was submitted before, then ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        last, patience = False, self._tables.patience()
        while not last:
            group, last = self._take(patience)
            outcomes = self._write(group)
            _answer(group, outcomes)
            failed = not group and outcomes
            patience = RETRY if failed else self._tables.patience()
        self._tables.connection.close()

    def _take(self, patience: float | None) -> tuple[list[Request], bool]:
        """Waits for the first request, then takes what else is there; True if it is time to end."""
        group: list[Request] = []
        while len(group) < MAX_GROUP and (not group or not self._queue.empty()):
            try:
                request = self._queue.get(timeout=patience)
            except Empty:
                break
            if request is None:
                return group, True
            group.append(request)
        return group, False

    def _write(self, group: Sequence[Request]) -> list[Outcome]:
        """One transaction for all; if that fails, one for each, so that nobody fails for another's sake."""
        try:
            return self._transact(group)
        except sqlite3.Error as error:
            failure: CorralError = database.translate(self._path, error)
        except Exception as error:  # whatever it is, this thread lives on and the waiters hear of it
            failure = HostError(f"write store {self._path}: {error!r}")
        if len(group) <= 1 or isinstance(failure, Unavailable):
            return [failure] * (len(group) or 1)
        return [outcome for request in group for outcome in self._write([request])]

    def _transact(self, group: Sequence[Request]) -> list[Outcome]:
        tables, outcomes = self._tables, list[Outcome]()
        with tables.transaction():
            tables.expire()
            for request in group:
                try:
                    outcomes.append(request.work(tables))
                except CorralError as refusal:  # it has changed nothing
                    outcomes.append(refusal)
        if tables.revision != self.revision:
            self.revision = tables.revision
            self.publish(tables.changes, tables.revision)
        return outcomes


def _answer(group: Sequence[Request], outcomes: Sequence[Outcome]) -> None:
    """Wakes each event loop once for all of its waiters."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiter, Outcome]]] = {}
    for request, outcome in zip(group, outcomes, strict=False):
        by_loop.setdefault(request.loop, []).append((request.waiter, outcome))
    for loop, results in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, results)
        except RuntimeError:
            continue  # that loop has ended, and nobody waits there any more


def _settle(results: Sequence[tuple[Waiter, Outcome]]) -> None:
    for waiter, outcome in results:
        if waiter.done():
            continue  # cancelled meanwhile
        if isinstance(outcome, CorralError):
            waiter.set_exception(outcome)
        else:
            waiter.set_result(outcome)
