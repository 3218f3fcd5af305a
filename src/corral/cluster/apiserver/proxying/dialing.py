"""A connection to an address of the cluster that is no pod of a node known here."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from corral.cluster.client.stream import Stream

DIAL_SECONDS: Final = 30.0


async def dial(address: str, port: int) -> Stream:
    """OSError (TimeoutError is one)."""
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            return Stream(*await asyncio.open_connection(address, port))
    except OSError as error:
        raise plain(error) from None


def plain(error: OSError) -> OSError:
    """Pure: the same in the kernel's words, where asyncio has some of its own.

    >>> plain(ConnectionRefusedError(111, "Connect call failed ('10.0.0.2', 80)"))
    ConnectionRefusedError(111, 'Connection refused')
    """
    return OSError(error.errno, os.strerror(error.errno)) if error.errno and error.errno > 0 else error
