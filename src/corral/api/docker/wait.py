"""Waiting for a container's end. The head of the answer is out at once: a client starts the container after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, cast

from corral.api.docker.answers import JSON, reply
from corral.api.docker.at import name_of, version_of
from corral.errors import InvalidInput
from corral.http.message import Answer, ClientGone, Request, Response, StreamResponse

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.wait import Condition, Waiter, WaitResult

CONDITIONS: Final = ("not-running", "next-exit", "removed")


async def container_wait(api: DockerApi, request: Request) -> Answer:
    """Conditions came with 1.30; before, the whole answer came at the end."""
    early = version_of(request) >= (1, 30)
    condition = (request.query.get("condition") if early else "") or "not-running"
    if condition not in CONDITIONS:
        raise InvalidInput(f'invalid condition: "{condition}"')
    waiter = api.engine.containers.waiter(name_of(request), cast("Condition", condition))
    if early:
        return StreamResponse(_result(waiter), 200, JSON)
    return await _whole(waiter, request)


async def _result(waiter: Waiter) -> AsyncIterator[bytes]:
    try:
        yield reply(wait_json(await waiter)).body
    finally:
        waiter.cancel()


async def _whole(waiter: Waiter, request: Request) -> Response:
    result = asyncio.ensure_future(waiter)
    gone = asyncio.ensure_future(request.disconnected.wait())
    try:
        await asyncio.wait((result, gone), return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise ClientGone("the client has gone")
        return reply(wait_json(result.result()))
    finally:
        gone.cancel()
        waiter.cancel()


def wait_json(result: WaitResult) -> dict[str, object]:
    """Pure: the exit code, and what went wrong if something did."""
    error: dict[str, object] = {"Error": {"Message": result.error}} if result.error else {}
    return {**error, "StatusCode": result.exit_code}
