"""The end of pods: grace, hooks, order; and what a kubelet that is started again makes of what it finds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS
from corral.cluster.kubelet.barrier import Barrier, Leaving
from tests.support.kubelet import LISTENS, NODE, Node, container, open_node, state
from tests.support.wait import eventually_async

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

STUBBORN = ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]


async def test_a_polite_one_ends_at_once_and_leaves_nothing(node: Node) -> None:
    await node.create("polite", container(readinessProbe=LISTENS))
    await node.running("polite")
    assert await node.delete("polite") < 30  # its grace
    assert node.engine.containers.list(unlisted=True) == [] and node.engine.spaces.list() == []
    assert ("Killing", "Stopping container main") in await node.events("polite")


async def test_a_stubborn_one_is_killed_after_its_grace(node: Node) -> None:
    await node.create("stubborn", container(command=STUBBORN), terminationGracePeriodSeconds=3)
    await node.running("stubborn")
    assert await node.delete("stubborn") > 2.5


async def test_a_second_deletion_shortens_the_grace(node: Node) -> None:
    await node.create("long", container(command=STUBBORN), terminationGracePeriodSeconds=600)
    await node.running("long")
    await node.client.delete(PODS, "long", "default")
    await node.until("long", lambda pod: "deletionTimestamp" in pod["metadata"])
    assert await node.delete("long", grace=1) < 600


async def test_the_hook_runs_before_the_signal(node: Node) -> None:
    script = "trap 'echo term; exit 0' TERM; >/up; while :; do sleep 0.05; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/1"]}}}
    main = container(command=["sh", "-c", script], lifecycle=hook, readinessProbe=LISTENS)
    await node.create("hook", main, terminationGracePeriodSeconds=60)
    await node.running("hook")
    pod, said = await node.get("hook"), asyncio.Queue[str]()

    async def follow() -> None:
        from corral.cluster.client.nodes import LogOptions

        async for chunk in node.kubelet.access.logs(pod, LogOptions("main", follow=True)):
            said.put_nowait(chunk.decode())

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await node.delete("hook")
    await task
    assert "".join(said.get_nowait() for _ in range(said.qsize())) == "hook\nterm\n"


async def test_the_proxies_go_first_also_those_of_other_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And from each of its addresses: the second is let go of later."""
    monkeypatch.setattr("corral.cluster.kubelet.worker.leaving.LONGEST", 60)
    seen: list[tuple[str, Leaving, bool]] = []
    node: Node

    def barrier(whose: str) -> Barrier:
        async def wait(leaving: Leaving, silence: float) -> None:
            await asyncio.sleep(0.3 if ":" in leaving.address else 0.1)
            running = any(one.state.running for one in node.engine.containers.list(unlisted=True))
            seen.append((whose, leaving, running))

        return wait

    async with open_node(barrier("own"), barrier("others"), families=(4, 6)) as node:
        await node.create("web")
        pod = await node.running("web")
        first, second = [Leaving(one["ip"], meta.uid(pod), NODE) for one in pod["status"]["podIPs"]]
        await node.delete("web")
    assert ":" in second.address
    assert sorted(seen) == sorted((whose, one, True) for whose in ("own", "others") for one in (first, second))


async def test_what_runs_is_taken_over(node: Node) -> None:
    await node.create("stays")
    before = state(await node.running("stays"))
    await node.stop_kubelet()
    await node.start_kubelet()
    await node.running("stays")
    await node.create("later")
    await node.running("later")  # by then the first would have been looked at
    after = state(await node.get("stays"))
    assert after["containerID"] == before["containerID"] and after["restartCount"] == 0
    id = before["containerID"].partition("://")[2]
    await node.engine.containers.kill(id)
    await node.until("stays", lambda pod: state(pod)["restartCount"] == 1)


async def test_orphans_are_ended(node: Node) -> None:
    await node.create("orphan", container(readinessProbe=LISTENS))
    await node.running("orphan")
    await node.stop_kubelet()
    await node.client.delete(PODS, "orphan", "default", options={"gracePeriodSeconds": 0})
    await node.start_kubelet()
    await eventually_async(
        lambda: node.engine.containers.list(unlisted=True) == [], "its container is gone", seconds=60
    )
    await eventually_async(lambda: node.engine.spaces.list() == [], "its space is gone", seconds=60)


async def test_a_deadline_is_the_end(node: Node) -> None:
    await node.create("late", activeDeadlineSeconds=1)
    pod = await node.done("late")
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"
    await eventually_async(
        lambda: not any(one.state.running for one in node.engine.containers.list(unlisted=True)),
        "nothing runs on",
        seconds=60,  # it may have been told before it listened: then its grace passes
    )


async def test_sidecars_are_ended_last(node: Node) -> None:
    script = "trap 'echo {} >> /v/order; exit 0' TERM; >/up; while :; do sleep 0.05; done"
    mounts = [{"name": "v", "mountPath": "/v"}]

    def one(name: str, **more: str) -> dict[str, object]:
        return container(name, ["sh", "-c", script.format(name)], volumeMounts=mounts, readinessProbe=LISTENS, **more)

    place = node.base / "order"
    place.mkdir()
    volumes = [{"name": "v", "hostPath": {"path": str(place)}}]
    sides = [one("first", restartPolicy="Always"), one("second", restartPolicy="Always")]
    await node.create("order", one("main"), initContainers=sides, volumes=volumes, terminationGracePeriodSeconds=60)
    await node.running("order")
    await node.delete("order")
    assert (place / "order").read_text().split() == ["main", "second", "first"]


async def test_a_finished_pod_keeps_its_last_words_over_a_restart(node: Node) -> None:
    await node.create("done", container(command=["sh", "-c", "echo bye > /dev/termination-log"]), restartPolicy="Never")
    await node.done("done")
    await eventually_async(lambda: node.engine.spaces.list() == [], "its space is given back")
    before = (await node.get("done"))["status"]
    assert state(await node.get("done"))["state"]["terminated"]["message"] == "bye\n"
    await node.stop_kubelet()
    await node.start_kubelet()
    await node.create("other")
    await node.running("other")
    after = (await node.get("done"))["status"]
    assert {**after, "conditions": []} == {**before, "conditions": []}
    assert await node.logs("done") == ""
    await node.delete("done")


async def test_an_empty_directory_has_its_limit(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.cluster.kubelet.worker.worker.PERIOD", 0.2)
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]
    main = container(volumeMounts=[{"name": "v", "mountPath": "/v"}])
    await node.create("full", main, volumes=volumes)
    await node.running("full")
    await node.ask("full", "dd", "if=/dev/zero", "of=/v/x", "bs=1M", "count=2")
    pod = await node.done("full")
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Evicted")
    assert pod["status"]["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '


async def test_the_end_of_the_whole_engine_gives_pods_their_own_grace(node: Node, tmp_path: Path) -> None:
    """As `down --all` does it: nobody is killed by the engine's own patience, which is nothing here."""
    node.engine.config.stop_timeout = 0
    waits = "trap 'touch /t/told; until [ -e /t/go ]; do sleep 0.05; done; touch /t/ended; exit 0' TERM"
    mounts = [{"name": "t", "mountPath": "/t"}]
    one = container(command=["sh", "-c", f"{waits}; touch /t/up; while :; do sleep 0.05; done"], volumeMounts=mounts)
    volumes = [{"name": "t", "hostPath": {"path": str(tmp_path)}}]
    await node.create("slow", one, volumes=volumes, terminationGracePeriodSeconds=3600)
    await node.running("slow")
    await eventually_async(lambda: (tmp_path / "up").exists(), "it is up", seconds=60)
    await node.stop_kubelet()
    halting = asyncio.create_task(node.engine.halt())
    await eventually_async(lambda: (tmp_path / "told").exists(), "it is told", seconds=60)
    (tmp_path / "go").touch()
    await halting
    assert (tmp_path / "ended").exists()
    node.engine.parts.closing = False
    await node.start_kubelet()
