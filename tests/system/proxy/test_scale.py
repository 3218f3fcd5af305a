"""How long one change takes among few services and among many: printed, for a number depends on the machine."""

from __future__ import annotations

import statistics
import time
from ipaddress import ip_address

import pytest

from corral.cluster.client.builtin import ENDPOINT_SLICES, SERVICES
from tests.system.proxy.node import NODE, Node, node, piece, running, service

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]
FIRST = ip_address("10.96.0.0")


def fill(here: Node, services: int, endpoints: int) -> None:
    for number in range(services):
        name = f"s{number}"
        here.api.put(SERVICES, service(name, str(FIRST + number + 10), ports=(("TCP", 80, 0),)))
        here.api.put(ENDPOINT_SLICES, piece(name, *ends(endpoints)))


def ends(count: int, first: int = 0) -> list[dict[str, object]]:
    return [
        {"addresses": [str(ip_address("10.200.0.2") + n)], "nodeName": NODE, "conditions": {"ready": True}}
        for n in range(first, first + count)
    ]


@pytest.mark.parametrize("services, endpoints", [(10, 3), (10_000, 3), (10, 5000)])
async def test_the_time_of_one_change(services: int, endpoints: int) -> None:
    with node() as here:
        fill(here, services, endpoints)
        began = time.perf_counter()
        async with running(here) as proxy:
            await here.put(proxy)
            all_of_them = time.perf_counter() - began
            times = []
            for turn in range(20):
                written = here.api.put(ENDPOINT_SLICES, piece("s5", *ends(endpoints, turn + 1)))
                began = time.perf_counter()
                await proxy.synced(written["metadata"]["resourceVersion"])
                times.append(1000 * (time.perf_counter() - began))
            last = str(ip_address("10.200.0.2") + 20)
            assert last in here.nft(f"list map inet {here.settings.table} ends4")
            print(
                f"\n{services} services of {endpoints}: all in {all_of_them:.2f} s, "
                f"one endpoint exchanged in {statistics.median(times):.2f} ms (worst {max(times):.2f} ms)"
            )
