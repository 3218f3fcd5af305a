"""Asking by a connection: that it is taken is good."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from corral.cluster.kubelet.probes.answer import Answer, refusal
from corral.kit.timeouts import fair_timeout


async def ask(host: str, port: int, timeout: float) -> Answer:
    try:
        async with fair_timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return Answer(False, refusal(host, port, error))
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return Answer(True)
