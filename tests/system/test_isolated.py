"""What an instance for tests does differently from one for work."""

from __future__ import annotations

import pytest

from corral.testing import Isolated
from tests.support.instance import Instance
from tests.support.wait import eventually
from tests.system.test_kubernetes import Admin

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@pytest.mark.parametrize(("flags", "kept"), [((), 0), (("--kubernetes-eviction-hard=memory.available<7Mi",), 7 * 1024)])
def test_it_evicts_nobody_unless_it_is_told_to(flags: tuple[str, ...], kept: int) -> None:
    """What is below a threshold is not there for pods: so the node says which thresholds it has."""
    with Isolated(*flags) as corral:
        admin = Admin(Instance(corral.root))

        def sizes() -> list[int]:
            """Of the node's memory: all, and what pods may have; none before its kubelet has spoken."""
            status = admin.ask("GET", "/api/v1/nodes")["items"][0].get("status") or {}
            known = [status[key] for key in ("capacity", "allocatable") if key in status]
            return [int(one["memory"].removesuffix("Ki")) for one in known]

        eventually(lambda: len(sizes()) == 2, "the node says what it has", seconds=60)
        capacity, allocatable = sizes()
        assert capacity - allocatable == kept
