"""Networks of the test's own, and stand-ins for containers to join them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from corral.networks import NetworkConfig, Networks
from corral.networks.wires import Wires
from tests.system.networks.box import Box, has_table, take_down
from tests.system.networks.user_networks import NAMES, left


@pytest.fixture
async def networks(tmp_path: Path) -> AsyncIterator[Networks]:
    made = Networks(
        names=NAMES,
        config=NetworkConfig(),
        state_dir=str(tmp_path),
        make_wires=lambda names: Wires(names, first=2, further=2),
    )
    await made.setup()
    yield made
    await take_down(made)
    assert left() == []
    assert not has_table(NAMES.table)


@pytest.fixture
async def box() -> AsyncIterator[Callable[[], Box]]:
    with ExitStack() as stack:
        yield lambda: Box(stack)
