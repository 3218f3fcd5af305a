"""A registry that sweeps all the time, until it is killed. Run by test_kills.py, with the registry's root."""

from __future__ import annotations

import asyncio
import sys

from corral.http.server import Server
from corral.registry.app import Registry
from corral.registry.config import RegistryConfig
from corral.registry.sweep import sweep


async def main(root: str) -> None:
    """Prints its port. What has no tag goes at once, what nothing needs after two seconds."""
    registry = await Registry.open(RegistryConfig(root, keep_untagged=0.0, keep_unreferenced=2.0))
    port = await Server(registry.handle).listen_tcp("127.0.0.1", 0, None)
    print(port, flush=True)
    while True:
        await sweep(registry)
        await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
