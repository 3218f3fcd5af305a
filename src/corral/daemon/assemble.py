"""How the parts make a whole: the one place that sees all of them.

::

    settings ──> Engine ──> DockerApi ──> Server ──> docker.sock, tcp://…
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from corral.api.docker.app import DockerApi
from corral.cli.instance import Instance
from corral.daemon.config import Settings, engine_config
from corral.daemon.listeners import listen
from corral.engine.engine import Engine
from corral.http.server import Server


async def assemble(stack: AsyncExitStack, instance: Instance, settings: Settings) -> Engine:
    """Opens everything, in order; `stack` closes it in the other order. Raises CorralError, with nothing left open."""
    engine = await Engine.open(engine_config(settings, instance))
    stack.push_async_callback(engine.close)
    server = Server(DockerApi(engine))
    stack.push_async_callback(server.close)
    await listen(server, instance, settings)
    return engine
