"""Threads: blocking work for a task that may be cancelled: then the work is woken, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from corral.errors import CorralError, RemoteFailed
from corral.images.remote.cancel import Cancel
from corral.images.remote.refusal import Refusal, explain
from corral.images.remote.wire import WireError
from corral.linux.streams import in_thread

T = TypeVar("T")


async def blocking(name: str, work: Callable[[Cancel], T], explain: Callable[[Refusal], CorralError] = explain) -> T:
    """The result of `work(cancel)`. What a registry refuses, or the wire cannot do, becomes an error of ours."""
    cancel = Cancel()
    future = in_thread(name, lambda: work(cancel))
    try:
        return await asyncio.shield(future)
    except Refusal as refusal:
        raise explain(refusal) from refusal
    except WireError as error:
        raise RemoteFailed(error.text) from error
    except asyncio.CancelledError:
        cancel.stop()
        await asyncio.wait([future])
        future.exception()  # seen: who waited for it has gone
        raise
