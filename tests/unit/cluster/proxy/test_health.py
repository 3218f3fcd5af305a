from __future__ import annotations

import asyncio
import http.client
import json
import socket

import pytest

from corral.cluster.proxy.health import HealthPorts
from tests.support.ports import free_port


@pytest.fixture
def port() -> int:
    return free_port()


def ask(port: int) -> tuple[int, str, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    found = answer.status, answer.headers["X-Load-Balancing-Endpoint-Weight"], json.loads(answer.read())
    connection.close()
    return found


async def test_it_says_how_many_are_here(port: int) -> None:
    health = HealthPorts(None)
    await health.put("shop/web", port, 2)
    body = {"service": {"namespace": "shop", "name": "web"}, "localEndpoints": 2, "serviceProxyHealthy": True}
    assert await asyncio.to_thread(ask, port) == (200, "2", body)
    await health.put("shop/web", port, 0)
    assert (await asyncio.to_thread(ask, port))[0] == 503
    await health.put("shop/web", 0, 0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(ask, port)
    await health.close()


async def test_a_port_that_somebody_has_is_told_and_survived(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", port)):
        health = HealthPorts(None)
        await health.put("shop/web", port, 2)
        assert f"port {port}" in caplog.text
        await health.close()
