"""`python -m bench.hollow.server FOLDER PORT GRACE`: the API server, the scheduler and the controllers, until SIGTERM.

As `corral up` assembles them, on SQLite; without an engine and a kubelet of its own. "ready" when it serves.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from contextlib import AsyncExitStack

from corral.cli.instance import Instance
from corral.daemon.config import Settings
from corral.daemon.kubernetes import add_kubernetes


async def serve(folder: str, port: str, grace: str) -> None:
    flags = {
        "kubernetes": ["true"],
        "kubernetes-address": [f"127.0.0.1:{port}"],
        "kubernetes-node-grace": [grace],
    }
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    instance = Instance(folder)
    os.makedirs(instance.run)
    async with AsyncExitStack() as stack:
        await add_kubernetes(stack, instance, Settings.of({}, flags))
        print("ready", flush=True)
        await ending.wait()


def all_descriptors() -> None:
    """As many as may be: a connection for each node."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    all_descriptors()
    asyncio.run(serve(*sys.argv[1:]))
