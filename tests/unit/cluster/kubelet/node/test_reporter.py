"""The node's reports: to a real API server, in which somebody says that the node was silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from corral.cluster.client.builtin import NODES
from corral.cluster.client.protocol import Client
from corral.cluster.kubelet.network import BUSY
from corral.cluster.kubelet.node.host import Machine
from corral.cluster.kubelet.node.reporter import NodeReporter
from corral.cluster.kubelet.settings import Settings
from corral.model.image import Image
from tests.support.apiserver import admin, api_server

pytestmark = pytest.mark.timeout(60)
MACHINE = Machine("n1", 2, 1 << 30, 1 << 40, "amd64", "6.1", "Linux", "m", "b", ("10.0.0.7",))
ENGINE = cast(Any, SimpleNamespace(images=SimpleNamespace(list=lambda: [])))


async def until_ready(client: Client, status: str) -> Any:
    """The node, as soon as its condition Ready has that status."""

    def fits(node: Any) -> bool:
        return any(one["type"] == "Ready" and one["status"] == status for one in node["status"]["conditions"])

    return await until(client, fits)


async def until(client: Client, fits: Callable[[Any], bool]) -> Any:
    while True:
        found = await client.list(NODES)
        for node in found.items:
            if fits(node):
                return node
        async for _ in client.watch(NODES, resource_version=found.resource_version):
            break


async def test_a_node_that_was_missed_says_at_once_that_it_is_there(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path), str(tmp_path), heartbeat=0.01, report=3600)
    async with api_server(tmp_path) as api:
        client, port = admin(api), [0]
        reporter = NodeReporter(client, ENGINE, MACHINE, ["10.244.0.0/24"], settings, port=lambda: port[0])
        await reporter.register()
        node = await until_ready(client, "True")
        assert node["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
        port[0] = 10250
        running = asyncio.create_task(reporter.run())
        try:
            conditions = [{**one, "status": "Unknown"} for one in node["status"]["conditions"]]
            patch = {"status": {"conditions": conditions}}
            await client.patch(NODES, "n1", patch=patch, subresource="status")
            node = await until_ready(client, "True")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert node["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}


async def test_a_node_that_is_there_already_is_written_on_all_the_same(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path), str(tmp_path), labels={"zone": "a"}, annotations={"corral.dev/server": "me"})
    async with api_server(tmp_path) as api:
        metadata = {"name": "n1", "labels": {"zone": "b", "kept": "1"}, "annotations": {"kept": "1"}}
        await admin(api).create(NODES, {"metadata": metadata})
        await NodeReporter(admin(api), ENGINE, MACHINE, [], settings, port=lambda: 0).register()
        written = (await admin(api).get(NODES, "n1"))["metadata"]
    assert (written["labels"]["zone"], written["labels"]["kept"]) == ("a", "1")
    assert (written["annotations"]["corral.dev/server"], written["annotations"]["kept"]) == ("me", "1")


async def test_a_node_says_what_its_machine_has_other_ways_to(tmp_path: Path) -> None:
    settings, said = Settings(str(tmp_path), str(tmp_path)), ["10.244.3.0/24"]

    async def busy() -> str:
        return said[0]

    async def annotations() -> dict[str, str]:
        found = await client.get(NODES, "n1")
        return dict(found["metadata"]["annotations"])

    async with api_server(tmp_path) as api:
        client = admin(api)
        reporter = NodeReporter(client, ENGINE, MACHINE, ["10.244.0.0/24"], settings, busy=busy)
        await reporter.register()
        assert (await annotations())[BUSY] == "10.244.3.0/24"
        said[0] = ""
        await reporter.report()
        assert BUSY not in await annotations()


async def test_an_image_that_comes_is_told_with_the_next_heartbeat(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path), str(tmp_path), heartbeat=0.01, report=3600)
    images: list[Image] = []
    engine = cast(Any, SimpleNamespace(images=SimpleNamespace(list=lambda: images)))
    async with api_server(tmp_path) as api:
        client = admin(api)
        reporter = NodeReporter(client, engine, MACHINE, [], settings)
        await reporter.register()
        assert "images" not in (await client.get(NODES, "n1"))["status"]
        running = asyncio.create_task(reporter.run())
        try:
            images.append(Image("sha256:0", tags=["docker.io/library/a:1"], size=9))
            told = [{"names": ["docker.io/library/a:1"], "sizeBytes": 9}]
            await until(client, lambda node: node["status"].get("images") == told)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
