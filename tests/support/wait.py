"""Waiting for what another process does: the only place in the tests that looks again and again."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# How many times longer than usual everything may take: an emulated processor is ten times slower than a real one.
PATIENCE = float(os.environ.get("CORRAL_TEST_PATIENCE", "1"))


def eventually(look: Callable[[], T], what: str | Callable[[], str], *, seconds: float = 10.0, step: float = 0.02) -> T:
    """The first true answer of `look`.

    :raises AssertionError: there was none within `seconds` (times PATIENCE); the message holds `what` (asked for only
        then, if it is a function) and the last answer or error.
    """
    deadline = time.monotonic() + seconds * PATIENCE
    last: object = None
    while True:
        try:
            answer = look()
        except (AssertionError, OSError, LookupError) as error:
            last = error
        else:
            if answer:
                return answer
            last = answer
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {seconds * PATIENCE:g} s: {text}; last seen: {last!r}")
        time.sleep(step)


async def eventually_async(look: Callable[[], T], what: str, *, seconds: float = 10.0) -> T:
    """The same beside other tasks of the event loop."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        if answer := look():
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)
