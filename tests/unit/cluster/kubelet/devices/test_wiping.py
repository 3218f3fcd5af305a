"""Drivers that are not here offer nothing here."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.cluster.client.builtin import NODES, RESOURCE_SLICES
from corral.cluster.kubelet.devices.wiping import DELAY, Wiper
from tests.support.apiserver import admin, api_server

pytestmark = pytest.mark.timeout(60)


async def test_a_driver_has_time_to_come_back(tmp_path: Path) -> None:
    now, here = [100.0], {"stays"}
    async with api_server(tmp_path) as api:
        client = admin(api)
        await client.create(NODES, {"metadata": {"name": "n1"}})
        for driver, node in (("stays", "n1"), ("goes", "n1"), ("goes", "n2")):
            pool = {"name": node, "resourceSliceCount": 1}
            spec = {"driver": driver, "nodeName": node, "pool": pool, "devices": []}
            await client.create(RESOURCE_SLICES, {"metadata": {"name": f"{driver}-{node}"}, "spec": spec})

        async def left() -> list[str]:
            return sorted(one["metadata"]["name"] for one in (await client.list(RESOURCE_SLICES)).items)

        wiper = Wiper(client, "n1", lambda driver: driver in here, lambda: now[0])
        assert await wiper.look() == DELAY
        now[0] += DELAY - 1
        here.add("goes")
        wiper.changed("goes")  # it was away for a moment only
        here.remove("goes")
        wiper.changed("goes")
        assert await wiper.look() == DELAY
        assert len(await left()) == 3
        now[0] += DELAY
        assert await wiper.look() is None
        assert await left() == ["goes-n2", "stays-n1"]
