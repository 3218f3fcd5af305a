"""Waiting for what another process does: the only place in the tests that looks again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, *, seconds: float = 10.0, step: float = 0.02) -> T:
    """The first true answer of `look`.

    :raises AssertionError: there was none within `seconds`; the message holds `what` and the last answer or error.
    """
    deadline = time.monotonic() + seconds
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
            raise AssertionError(f"not within {seconds} s: {what}; last seen: {last!r}")
        time.sleep(step)
