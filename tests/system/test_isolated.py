"""What an instance for tests does differently from one for work."""

from __future__ import annotations

import pytest

from corral.testing import Isolated
from tests.support.instance import Instance
from tests.system.test_kubernetes import Admin

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@pytest.mark.parametrize(("flags", "kept"), [((), 0), (("--kubernetes-eviction-hard=memory.available<7Mi",), 7 * 1024)])
def test_it_evicts_nobody_unless_it_is_told_to(flags: tuple[str, ...], kept: int) -> None:
    """What is below a threshold is not there for pods: so the node says which thresholds it has."""
    with Isolated(*flags) as corral:
        status = Admin(Instance(corral.root)).ask("GET", "/api/v1/nodes")["items"][0]["status"]
        capacity, allocatable = (int(status[key]["memory"].removesuffix("Ki")) for key in ("capacity", "allocatable"))
        assert capacity - allocatable == kept
