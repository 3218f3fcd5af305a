"""One answer to one question."""

from __future__ import annotations

import os
from typing import NamedTuple


class Answer(NamedTuple):
    """`errored`: it could not be asked at all, which says nothing about the container but counts as a failure."""

    good: bool
    output: str = ""
    errored: bool = False


def refusal(address: str, port: int, error: BaseException) -> str:
    """Pure: why a connection was not made, as Go programs say it.

    >>> refusal("10.0.0.2", 80, ConnectionRefusedError(111, "Connection refused"))
    'dial tcp 10.0.0.2:80: connect: connection refused'
    """
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    if isinstance(error, TimeoutError):
        return f"dial tcp {place}: i/o timeout"
    known = isinstance(error, OSError) and error.errno  # asyncio has words of its own
    text = os.strerror(known).lower() if known else str(error)
    return f"dial tcp {place}: connect: {text}"
