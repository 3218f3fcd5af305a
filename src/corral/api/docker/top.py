"""The processes of a container."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from corral.api.docker.answers import reply
from corral.api.docker.at import name_of
from corral.errors import InvalidInput
from corral.http.message import Request, Response

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi

_RENAMED_PID = re.compile(r"\s+([^\s]*)=\s*(PID[^\s]*)")


async def container_top(api: DockerApi, request: Request) -> Response:
    arguments = request.query.get("ps_args") or "-ef"
    check_arguments(arguments)
    titles, rows = await api.engine.containers.top(name_of(request), arguments)
    return reply({"Processes": rows, "Titles": titles})


def check_arguments(arguments: str) -> None:
    """Pure: another column must not be called PID: whose processes are whose is told by that one.

    >>> check_arguments("-eo pid,ppid =PIDX")
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: specifying "=PIDX" is not allowed
    """
    for name, title in _RENAMED_PID.findall(arguments):
        if name != "pid":
            raise InvalidInput(f'specifying "{name}={title}" is not allowed')
