"""The size of a terminal has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corral.api.docker.at import name_of
from corral.errors import InvalidInput
from corral.http.message import Request, Response

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi


async def container_resize(api: DockerApi, request: Request) -> Response:
    height, width = _size(request)
    await api.engine.containers.resize(name_of(request), height, width)
    return Response(200)


async def exec_resize(api: DockerApi, request: Request) -> Response:
    height, width = _size(request)
    await api.engine.execs.resize(name_of(request), height, width)
    return Response(200)


def _size(request: Request) -> tuple[int, int]:
    height, width = request.query.get("h"), request.query.get("w")
    return dimension("height", height), dimension("width", width)


def dimension(name: str, text: str) -> int:
    """Pure: rows or columns. InvalidInput with Go's words for bad numbers.

    >>> dimension("height", "24")
    24
    >>> dimension("width", "-1")
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid resize width "-1": value out of range
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidInput(f'invalid resize {name} "{text}": invalid syntax')
    if digits != text or int(digits[:12]) >= 1 << 32 or len(digits.lstrip("0")) > 10:
        raise InvalidInput(f'invalid resize {name} "{text}": value out of range')
    return int(digits)
