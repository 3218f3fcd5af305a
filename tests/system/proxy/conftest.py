"""Each test has a node of its own, and a proxy that runs on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from corral.cluster.proxy import Proxy
from corral.cluster.proxy.rules import Rules
from corral.linux.namespaces import in_netns
from tests.system.proxy.node import TABLE, Node, node, running


@pytest.fixture(params=[True, False], ids=["filtered", "plain"])
async def here(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """With the kernel's own filtering of bridged frames, and without."""
    with node(filtered=request.param) as made:
        yield made


@pytest.fixture
async def proxy(here: Node) -> AsyncIterator[Proxy]:
    async with running(here) as made:
        yield made
    in_netns(here.netns, lambda: _remove())
    assert here.nft("list ruleset") == ""


def _remove() -> None:
    rules = Rules(TABLE)
    rules.remove()
    rules.close()
