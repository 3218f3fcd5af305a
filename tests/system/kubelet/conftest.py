"""Each test has a node of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.kubelet import Node, open_node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with open_node() as made:
        yield made
