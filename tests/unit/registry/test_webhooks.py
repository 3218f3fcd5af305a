"""Webhooks: delivered in order, tried again, and never more waiting than fit."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from corral.http.message import Answer, Request, Response
from corral.http.server import Server
from corral.registry import webhooks
from corral.registry.metrics import Metrics
from tests.support import oci
from tests.support.registry import LiveRegistry


class Listener:
    """Takes the notifications of a test; fails with the statuses in `failing` first."""

    def __init__(self, *failing: int) -> None:
        self.failing = list(failing)
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.server = Server(self.handle)

    async def handle(self, request: Request) -> Answer:
        assert request.header("content-type") == webhooks.MEDIA_TYPE
        if self.failing:
            return Response(self.failing.pop(0))
        for event in json.loads(await request.body())["events"]:
            self.events.put_nowait(event)
        return Response(200)

    async def __aenter__(self) -> str:
        return f"http://127.0.0.1:{await self.server.listen_tcp('127.0.0.1', 0)}/hook"

    async def __aexit__(self, *_: object) -> None:
        await self.server.close(grace=0.1)


async def test_a_push_and_a_deletion_are_told(tmp_path: Path) -> None:
    listener = Listener()
    async with listener as url, asyncio.timeout(20):
        image = oci.artifact(None)
        registry = LiveRegistry(tmp_path, webhooks=(url,))
        await asyncio.to_thread(registry.__enter__)
        await asyncio.to_thread(registry.push, "team/app", "v1", image)
        await asyncio.to_thread(registry.ask, "DELETE", "/v2/team/app/manifests/v1")
        blob, pushed, deleted = [await listener.events.get() for _ in range(3)]
        await asyncio.to_thread(registry.__exit__)
    assert blob["target"]["digest"] == oci.digest(b"{}") and blob["action"] == "push"
    target = pushed["target"]
    assert (pushed["action"], target["repository"], target["tag"]) == ("push", "team/app", "v1")
    assert target["digest"] == image.digest and target["length"] == target["size"] == len(image.manifest)
    assert target["mediaType"] == oci.MANIFEST and target["url"].endswith(f"/v2/team/app/manifests/{image.digest}")
    assert pushed["request"]["method"] == "PUT" and pushed["source"]["instanceID"] and pushed["id"] != blob["id"]
    assert (deleted["action"], deleted["target"]["tag"]) == ("delete", "v1")


async def test_a_listener_that_fails_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "FIRST_PAUSE", 0.001)
    listener, metrics = Listener(500, 429, 404), Metrics()
    async with listener as url, asyncio.timeout(20):
        hook = webhooks.Webhook(url, metrics)
        task = asyncio.create_task(hook.run())
        for n in range(3):
            hook.add({"id": str(n)})
        assert [(await listener.events.get())["id"] for _ in range(2)] == ["1", "2"]  # 404 was final for the first
        task.cancel()
    assert metrics.counts["webhooks_total", '{result="retried"}'] == 2
    assert metrics.counts["webhooks_total", '{result="dropped"}'] == 1


async def test_the_oldest_is_dropped_when_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "LONGEST", 2)
    listener, metrics = Listener(), Metrics()
    async with listener as url, asyncio.timeout(20):
        hook = webhooks.Webhook(url, metrics)
        for n in range(4):
            hook.add({"id": str(n)})
        task = asyncio.create_task(hook.run())
        assert [(await listener.events.get())["id"] for _ in range(2)] == ["2", "3"]
        task.cancel()
    assert metrics.counts["webhooks_total", '{result="dropped"}'] == 2


def test_nobody_there_is_no_answer() -> None:
    assert webhooks.post("http://127.0.0.1:9/x", b"{}") == 0
