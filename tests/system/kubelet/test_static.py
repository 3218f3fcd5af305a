"""Static pods: the folder says what runs, the API only shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client.builtin import PODS
from corral.cluster.kubelet.pods import MIRROR
from tests.support.kubelet import NODE, Node, container, is_ready

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

NAME = f"web-{NODE}"


def write(folder: Path, text: str = "one", **more: Any) -> None:
    """As careful people do: in one piece."""
    folder.mkdir(exist_ok=True)
    own = container(env=[{"name": "SAID", "value": text}], **more)
    spec = {"containers": [own], "terminationGracePeriodSeconds": 5}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec}
    (folder / ".web").write_text(json.dumps(pod))
    (folder / ".web").rename(folder / "web.yaml")


def another(before: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    return lambda pod: is_ready(pod) and pod["metadata"]["uid"] != before["metadata"]["uid"]


async def test_life(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    await node.restart_kubelet(manifests=str(folder))
    write(folder)
    pod = await node.running(NAME)
    assert pod["metadata"]["labels"] == {"app": "web"} and pod["metadata"]["ownerReferences"][0]["kind"] == "Node"
    assert pod["status"]["phase"] == "Running" and pod["status"]["podIP"]
    assert await node.ask(NAME, "sh", "-c", "echo $SAID") == "one\n"
    assert await node.ask(NAME, "hostname") == f"{NAME}\n"

    await node.client.delete(PODS, NAME, "default")  # the mirror goes, the pod stays
    again = await node.until(NAME, another(pod))
    assert again["status"]["containerStatuses"] == pod["status"]["containerStatuses"]

    write(folder, "two")
    changed = await node.until(NAME, another(again))
    assert changed["metadata"]["annotations"][MIRROR] != again["metadata"]["annotations"][MIRROR]
    assert await node.ask(NAME, "sh", "-c", "echo $SAID") == "two\n"
    assert len([one for one in node.engine.containers.list(unlisted=True) if one.state.running]) == 1

    await node.restart_kubelet(manifests=str(folder))  # it is taken over
    assert (await node.running(NAME))["status"]["containerStatuses"] == changed["status"]["containerStatuses"]

    (folder / "web.yaml").unlink()
    await node.gone(NAME)


async def test_what_went_while_nobody_looked(node: Node, tmp_path: Path) -> None:
    write(tmp_path)
    await node.restart_kubelet(manifests=str(tmp_path))
    await node.running(NAME)
    await node.stop_kubelet()
    (tmp_path / "web.yaml").unlink()
    await node.start_kubelet()
    await node.gone(NAME)


async def test_no_api_is_waited_for(node: Node, tmp_path: Path) -> None:
    write(tmp_path)
    await node.stop_kubelet()
    node.settings, node.cut = {"manifests": str(tmp_path)}, True
    started = node.engine.events.subscribe(match=lambda event: event.action == "start")
    waiting = asyncio.ensure_future(anext(started))
    await node.start_kubelet()
    event = await waiting
    assert not node.kubelet.ready.is_set()
    assert event.attributes["io.kubernetes.pod.name"] == NAME
    assert (await node.client.list(PODS, "default")).items == []
    id = node.engine.containers.get(event.id).id
    node.cable.cut = False
    pod = await node.running(NAME)  # the mirror follows
    assert pod["status"]["containerStatuses"][0]["containerID"].endswith(id)
    await node.create("other")
    await node.running("other")
