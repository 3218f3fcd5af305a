"""Corral's own operations on a cluster's store, below /corral/: out to a file, and back from one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import IO, TYPE_CHECKING, Protocol

from corral.api.docker.answers import reply
from corral.errors import Unavailable
from corral.http.message import FileResponse, Request, Response
from corral.model.container import Struct

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi

KIND = {"Content-Type": "application/vnd.sqlite3"}


class Copied(Struct):
    """What a backup holds, or what a restore has put and deleted, and as of which revision."""

    Revision: int
    Entries: int
    Deleted: int  # without a default: what is one stays unsaid


class Copies(Protocol):
    """Who makes backups of the cluster of this daemon."""

    async def backup(self) -> tuple[IO[bytes], int, Copied]:
        """An open file, how long it is, and what is in it."""
        ...

    async def restore(self, pieces: AsyncIterator[bytes]) -> Copied:
        """Makes the store what the file says whose bytes come. InvalidInput: it is no backup, or damaged."""
        ...


async def cluster_backup(api: DockerApi, request: Request) -> FileResponse:
    """The backup; what is in it is told by headers."""
    file, size, copied = await _copies(api).backup()
    told = {"Corral-Revision": str(copied.Revision), "Corral-Entries": str(copied.Entries)}
    return FileResponse(file, 0, size, 200, KIND | told)


async def cluster_restore(api: DockerApi, request: Request) -> Response:
    return reply(await _copies(api).restore(request.stream()))


def _copies(api: DockerApi) -> Copies:
    if api.copies is None:
        raise Unavailable("this daemon serves no cluster")
    return api.copies
