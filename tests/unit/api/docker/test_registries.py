"""Who leaves while a registry is asked for them ends what is done for them, also before anything was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from corral.api.docker import registries
from corral.http.message import Body, ClientGone, Request
from corral.http.parser import Head
from corral.model.transfer import ANYBODY, Credentials, Note


class Slow:
    """Transfers that come to nothing before they are cancelled."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def wait(self, *_: object, **__: object) -> Any:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def notes(self, *_: object, **__: object) -> AsyncGenerator[Note, None]:
        await self.wait()
        yield Note("never")

    login = search = describe = wait
    pull = push = notes


def push_with(header: str) -> Request:
    head = Head("POST", "/v1.45/images/a/push?tag=b", "1.1", {"x-registry-auth": header}, True, 0)
    return Request(head, Body(lambda: None, lambda: None))


@pytest.mark.parametrize("header", ["placeholder", "e30=", "W10=", "bm9wZQ=="])
async def test_credentials_that_cannot_be_read_say_nothing(header: str) -> None:
    """Docker lets them pass in every operation; aiodocker sends a word where nobody has logged in."""
    given: list[Credentials] = []

    async def push(*_: object, credentials: Credentials, **__: object) -> AsyncGenerator[Note, None]:
        given.append(credentials)
        yield Note("pushed")

    api: Any = SimpleNamespace(engine=SimpleNamespace(transfers=SimpleNamespace(push=push)))
    await registries.image_push(api, push_with(header))
    assert given == [ANYBODY]


@pytest.mark.parametrize(
    ("call", "target"),
    [
        (registries.pull, "/v1.45/images/create?fromImage=a&tag=b"),
        (registries.image_push, "/v1.45/images/a/push?tag=b"),
        (registries.image_search, "/v1.45/images/search?term=a"),
        (registries.distribution_inspect, "/v1.45/distribution/a/json"),
        (registries.auth, "/v1.45/auth"),
    ],
)
async def test_who_leaves_ends_it(call: Callable[[Any, Request], Awaitable[Any]], target: str) -> None:
    slow = Slow()
    api = SimpleNamespace(engine=SimpleNamespace(transfers=slow))
    body = Body(lambda: None, lambda: None)
    body.feed(b"{}")
    body.feed_end()
    headers = {"x-registry-auth": "e30=", "content-type": "application/json", "content-length": "2"}
    request = Request(Head("POST", target, "1.1", headers, True, 2), body)
    answer = asyncio.ensure_future(call(api, request))
    await slow.begun.wait()
    request.mark_disconnected()
    with pytest.raises(ClientGone):
        await answer
    assert slow.ended.is_set()
