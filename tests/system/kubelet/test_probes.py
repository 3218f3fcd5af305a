"""Probes and hooks on the real engine."""

from __future__ import annotations

import pytest

from tests.support.kubelet import Node, container, state

pytestmark = [pytest.mark.root, pytest.mark.timeout(90)]

FAST = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 30}  # of those that are well none may fail


def _exec(*command: str) -> dict[str, object]:
    return {"exec": {"command": list(command)}, **FAST}


async def test_readiness_follows_the_probe(node: Node) -> None:
    await node.create("ready", container(readinessProbe=_exec("test", "-e", "/tmp/ok")))
    pod = await node.until("ready", lambda pod: state(pod).get("started"))
    assert not state(pod)["ready"]
    await node.ask("ready", "touch", "/tmp/ok")
    await node.running("ready")
    await node.ask("ready", "rm", "/tmp/ok")
    pod = await node.until("ready", lambda pod: not state(pod)["ready"])
    ready = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")
    assert ready["reason"] == "ContainersNotReady" and ready["message"] == "containers with unready status: [main]"
    await node.told("ready", "Unhealthy", "Readiness probe failed")


async def test_who_is_not_alive_is_started_again(node: Node) -> None:
    await node.create("alive", container(livenessProbe=_exec("test", "-e", "/tmp/ok")), terminationGracePeriodSeconds=1)
    await node.until("alive", lambda pod: state(pod).get("restartCount") == 1)
    events = await node.events("alive")
    assert ("Killing", "Container main failed liveness probe, will be restarted") in events


async def test_nothing_else_is_asked_before_it_has_started(node: Node) -> None:
    probes = {
        "startupProbe": {**_exec("test", "-e", "/tmp/ok"), "failureThreshold": 30},
        "livenessProbe": _exec("test", "-e", "/tmp/ok"),
    }
    await node.create("slow", container(**probes))
    pod = await node.until("slow", lambda pod: "running" in state(pod).get("state", {}))
    assert not state(pod)["started"] and not state(pod)["ready"]
    await node.ask("slow", "touch", "/tmp/ok")
    pod = await node.running("slow")
    assert state(pod)["started"] and state(pod)["restartCount"] == 0


async def test_http_and_tcp(node: Node) -> None:
    web = ["sh", "-c", "mkdir /w; echo hi > /w/ok; httpd -f -p 8080 -h /w"]
    good = {"httpGet": {"path": "/ok", "port": "web"}, **FAST, "failureThreshold": 9}
    live = {"tcpSocket": {"port": 8080}, **FAST, "failureThreshold": 9}
    ports = [{"name": "web", "containerPort": 8080}]
    await node.create("web", container(command=web, ports=ports, readinessProbe=good, livenessProbe=live))
    bad = {"httpGet": {"path": "/none", "port": 8080}, **FAST}
    await node.create("bad", container(command=web, readinessProbe=bad))
    await node.running("web")
    await node.until("bad", lambda pod: state(pod).get("started"))
    await node.told("bad", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")


async def test_a_hook_after_the_start(node: Node) -> None:
    hook = {"postStart": {"exec": {"command": ["touch", "/tmp/hooked"]}}}
    await node.create("hook", container(lifecycle=hook))
    await node.running("hook")
    assert await node.ask("hook", "ls", "/tmp/hooked") == "/tmp/hooked\n"
    bad = {"postStart": {"exec": {"command": ["false"]}}}
    await node.create("bad", container(lifecycle=bad), terminationGracePeriodSeconds=1)
    await node.until("bad", lambda pod: state(pod).get("restartCount", 0) >= 1)
    assert ("FailedPostStartHook", "PostStartHook failed") in (told := await node.events("bad"))
    assert ("Killing", "FailedPostStartHook") in told


async def test_readiness_gates(node: Node) -> None:
    from corral.cluster.client.builtin import PODS
    from corral.cluster.client.protocol import STRATEGIC_MERGE_PATCH

    await node.create("gate", readinessGates=[{"conditionType": "x.org/up"}])
    pod = await node.until("gate", lambda pod: state(pod).get("ready"))
    ready = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")
    assert ready["reason"] == "ReadinessGatesNotReady"
    patch = {"status": {"conditions": [{"type": "x.org/up", "status": "True"}]}}
    await node.client.patch(PODS, "gate", "default", patch=patch, type=STRATEGIC_MERGE_PATCH, subresource="status")
    await node.running("gate")
