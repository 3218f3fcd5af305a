"""Keeps a local node's way out: its own eth0 may be set down inside its namespace, and up again, and the kernel takes
its routes and its IPv6 addresses along and gives none back. What is heard of is the interface; then the engine, which
made all that, looks for what is missing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from corral.errors import CorralError
from corral.linux.netlink_watch import LinkWatch

if TYPE_CHECKING:
    from corral.engine.spaces import Spaces
    from corral.model.space import Space

log = logging.getLogger("corral.daemon")


async def keep_ways(spaces: Spaces, space: Space) -> None:
    """Until it is cancelled, or the space is gone. What was lost before is given back first."""
    changed = asyncio.Event()
    changed.set()
    with spaces.network(space.id) as namespace:
        watch = LinkWatch(changed.set, namespace)
    try:
        while True:
            await changed.wait()
            changed.clear()
            try:
                if await spaces.mend(space.id):
                    log.warning("%s was set down and up: its addresses and routes are there again", space.spec.name)
            except CorralError as error:  # as when it is down once more; the next change is heard, too
                log.warning("the network of %s could not be mended: %s", space.spec.name, error.message)
    finally:
        watch.close()
