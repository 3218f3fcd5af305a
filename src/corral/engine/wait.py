"""Waiting for a container's end: what `docker wait` and the end of `docker run` rest on."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Literal

from corral.engine.registry import Live
from corral.model.container import Struct

Condition = Literal["not-running", "next-exit", "removed"]


class WaitResult(Struct):
    """`error` says why the container could not be started or removed, if that is how the wait ended."""

    exit_code: int
    error: str = ""


class Waiter:
    """Registered as soon as it exists, so nothing is missed; `await` it for the result, `cancel` it otherwise."""

    def __init__(self, live: Live, condition: Condition) -> None:
        self.condition = condition
        self._live = live
        self._result: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        state = live.record.state
        if condition == "not-running" and not state.running:
            self._result.set_result(WaitResult(state.exit_code, state.error))
        else:
            live.waiters.add(self)

    def resolve(self, result: WaitResult) -> None:
        self._live.waiters.discard(self)
        if not self._result.done():
            self._result.set_result(result)

    def cancel(self) -> None:
        self._live.waiters.discard(self)
        self._result.cancel()

    def __await__(self) -> Generator[Any, None, WaitResult]:
        return self._result.__await__()


def tell_exit(live: Live, *, gone: bool = False, refused: bool = False) -> None:
    """Wakes who waits for this exit; with `gone` also who waits for the removal, which is then no error.

    `refused`: it is the end of a start that failed, and who asked for it has been told why. `docker run` waits for the
    next exit beside that, and would say it twice.
    """
    state = live.record.state
    result = WaitResult(state.exit_code, "" if gone else state.error)
    for waiter in list(live.waiters):
        if gone or waiter.condition != "removed":
            told = refused and waiter.condition == "next-exit"
            waiter.resolve(WaitResult(state.exit_code) if told else result)
