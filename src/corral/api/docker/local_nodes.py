"""Corral's own operations on the nodes of this machine, below /corral/: how they stand, and their start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from corral.api.docker.answers import reply
from corral.http.message import Request, Response
from corral.model.container import Struct

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi


class LocalNode(Struct):
    """A node on this machine. `State`: ready, not ready (it runs), starting, restarting (its process has ended by
    itself), stopped (by somebody) or removed; `Pid`: 0 where no process of it runs."""

    Name: str
    State: str
    Pid: int  # without a default: what is one stays unsaid
    Root: str
    Log: str


class Keeper(Protocol):
    """Who keeps the nodes of this daemon running."""

    def nodes(self) -> list[LocalNode]:
        """All, the daemon's own first."""
        ...

    async def wake(self) -> list[LocalNode]:
        """Starts those that do not run: these, as they are then."""
        ...


async def nodes_list(api: DockerApi, request: Request) -> Response:
    """None where the daemon has no nodes beside its own."""
    return reply(api.nodes.nodes() if api.nodes is not None else [])


async def nodes_start(api: DockerApi, request: Request) -> Response:
    return reply(await api.nodes.wake() if api.nodes is not None else [])
