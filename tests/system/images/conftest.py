"""A library of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.images import Images
from tests.support.imagestore import store


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with store(tmp_path) as made:
        yield made
