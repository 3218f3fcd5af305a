"""`corral registry`: the registry alone in the foreground, until a signal."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from corral.cli.instance import Instance
from corral.daemon import registry
from corral.daemon.config import Settings
from corral.daemon.serve import prepare_process, start_log
from corral.errors import CorralError
from corral.http.server import Server
from corral.registry.app import Registry

log = logging.getLogger("corral.daemon")


def serve_alone(instance: Instance, settings: Settings) -> int:
    """Runs it to its end: the exit code. Its state, blobs included, is in the instance's root."""
    start_log(settings.text("log-level").upper())
    try:
        prepare_process()
        asyncio.run(_life(instance, settings))
    except CorralError as error:
        log.error("%s", error.message)
        return 1
    return 0


async def _life(instance: Instance, settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    address = registry.plan_address(settings.text("registry"), True) or registry.DEFAULT
    async with AsyncExitStack() as stack:
        made = await Registry.open(registry.registry_config(settings, instance, instance.root))
        stack.push_async_callback(made.close)
        server = Server(made.handle)
        stack.push_async_callback(server.close)
        port = await registry.start_registry(server, settings, address, asked=True)
        print(
            f"registry ready at {registry.parse_address(address)[0]}:{port}, its state in {instance.root}", flush=True
        )
        await stopping.wait()
