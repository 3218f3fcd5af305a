"""Stopping: work in a thread that ends soon when the build that waits for it is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from corral.linux.streams import Ended, in_thread

T = TypeVar("T")
Check = Callable[[], None]  # raises Ended when nobody wants the work any more


async def in_stoppable_thread(name: str, work: Callable[[Check], T]) -> T:
    """What `work(check)` comes to; it is to call `check` often. When this is cancelled, the thread is told, and waited
    for: it uses what is taken away then."""
    gone = threading.Event()

    def check() -> None:
        if gone.is_set():
            raise Ended

    future = in_thread(name, lambda: work(check))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        gone.set()
        await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # seen; the cancellation is what counts
        raise
