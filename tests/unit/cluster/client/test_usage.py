"""All meters of a cluster are one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from corral.cluster.client.usage import Meters, NodeUsage, PodUsage, Report, Used
from corral.errors import HostError

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Fixed:
    def __init__(self, node: str) -> None:
        pod = PodUsage("shop", f"on-{node}", NOW, 15.0, {"main": Used(1, 1)})
        self.report = Report((NodeUsage(node, NOW, 15.0, Used(2, 2)),), (pod,))

    async def measure(self) -> Report:
        return self.report


class Broken:
    async def measure(self) -> Report:
        raise HostError("read /proc/stat: no")


async def test_one_that_cannot_be_asked_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    meters = Meters()
    assert not meters and await meters.measure() == Report()
    for node in ("a", "c"):
        meters.add(node, Fixed(node))
    meters.add("b", Broken())
    found = await meters.measure()
    assert meters and [one.name for one in found.nodes] == ["a", "c"]
    assert [one.name for one in found.pods] == ["on-a", "on-c"]
    assert "node b does not say what it uses" in caplog.text
    meters.remove("a")
    assert [one.name for one in (await meters.measure()).nodes] == ["c"]
