"""Each test has a node of its own, and a proxy that runs on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from corral.cluster.proxy import Proxy
from corral.cluster.proxy.rules import Rules
from corral.linux.namespaces import in_netns
from tests.system.proxy.node import NODE, TABLE, Node, node


@pytest.fixture(params=[True, False], ids=["filtered", "plain"])
async def here(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """With the kernel's own filtering of bridged frames, and without."""
    with node(filtered=request.param) as made:
        yield made


@pytest.fixture
async def proxy(here: Node) -> AsyncIterator[Proxy]:
    made = Proxy(here.informers, NODE, here.settings)
    tasks = [asyncio.create_task(here.informers.run()), asyncio.create_task(made.run())]
    await made.synced("0")
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        assert task.cancelled(), task.exception()
    await made.close()
    in_netns(here.netns, lambda: _remove())
    assert here.nft("list ruleset") == ""


def _remove() -> None:
    rules = Rules(TABLE)
    rules.remove()
    rules.close()
