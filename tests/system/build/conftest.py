"""What the tests of builds share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.building import Workshop, with_workshop


@pytest.fixture
async def shop() -> AsyncIterator[Workshop]:
    async with with_workshop() as workshop:
        yield workshop
