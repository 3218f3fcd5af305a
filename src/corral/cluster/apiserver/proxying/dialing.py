"""A connection to an address of the cluster that is no pod of a node known here."""

from __future__ import annotations

import asyncio
from typing import Final

from corral.cluster.client.stream import Stream

DIAL_SECONDS: Final = 30.0


async def dial(address: str, port: int) -> Stream:
    """OSError (TimeoutError is one)."""
    async with asyncio.timeout(DIAL_SECONDS):
        return Stream(*await asyncio.open_connection(address, port))
