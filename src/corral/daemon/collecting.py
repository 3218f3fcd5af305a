"""What no one needs any more goes by itself: blobs that a crash left between being stored and being named, and what is
left of transfers that nobody goes on with."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from corral.errors import CorralError
from corral.images.content import Content

log = logging.getLogger("corral.daemon")

EVERY: Final = 86400.0  # seconds


async def keep_collecting(content: Content, every: float = EVERY) -> None:
    """At once, for what a crash left, then every day. All who need blobs must be known by then."""
    while True:
        try:
            count, size = await asyncio.to_thread(content.collect)
            if count:
                log.info("freed %d bytes of %d blobs and transfers that nothing needs", size, count)
        except (CorralError, OSError) as error:
            log.error("clean-up failed and will be tried again in a day: %s", error)
        await asyncio.sleep(every)
