"""Pods that run on the real engine: from the object to the process, and what their status says."""

from __future__ import annotations

import pytest

from corral.cluster.client.builtin import NODES
from corral.cluster.client.protocol import Collection
from corral.cluster.kubelet.naming import UID
from tests.support.kubelet import LISTENS, NODE, Node, container, state, waiting
from tests.support.wait import eventually_async

pytestmark = [pytest.mark.root, pytest.mark.timeout(90)]

CONFIG_MAPS = Collection("", "v1", "configmaps")
LEASES = Collection("coordination.k8s.io", "v1", "leases")


async def test_a_pod_runs_and_says_so(node: Node) -> None:
    script = "echo $WHO at $IP of $NAME; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    env = [
        {"name": "WHO", "value": "me"},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    await node.create("web", container(command=["sh", "-c", script], env=env))
    pod = await node.running("web")
    status = pod["status"]
    assert status["phase"] == "Running" and status["qosClass"] == "BestEffort"
    assert status["podIPs"] == [{"ip": status["podIP"]}] and status["hostIP"]
    assert [one["type"] for one in status["conditions"][:4]] == [
        "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady",
    ]  # fmt: skip
    found = state(pod)
    assert found["ready"] and found["started"] and found["restartCount"] == 0 and "running" in found["state"]
    assert found["containerID"].startswith("corral://")
    said = ""
    async for line in _lines(node, "web"):
        said = line
        break
    assert said == f"me at {status['podIP']} of web\n"
    assert [reason for reason, _ in await node.events("web")] == ["Pulled", "Created", "Started"]
    assert await node.ask("web", "hostname") == "web\n"
    assert f"{status['podIP']}\tweb" in await node.ask("web", "cat", "/etc/hosts")


async def _lines(node: Node, name: str):  # type: ignore[no-untyped-def]
    from corral.cluster.client.nodes import LogOptions

    async for chunk in node.kubelet.access.logs(await node.get(name), LogOptions("main", follow=True)):
        yield chunk.decode()


async def test_containers_of_a_pod_share_its_network(node: Node) -> None:
    listens = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "timeoutSeconds": 30}
    await node.create("two", container("a", ["httpd", "-f", "-p", "8080"], readinessProbe=listens), container("b"))
    await node.running("two")
    assert "404" in await node.ask("two", "wget", "-qO-", "http://127.0.0.1:8080/none", of="b")


async def test_nobody_sees_them_who_does_not_ask(node: Node) -> None:
    pod = await node.create("web")
    await node.running("web")
    assert node.engine.containers.list() == []
    shown = node.engine.containers.list(unlisted=True)
    assert [one.name for one in shown] == [f"k8s_main_web_default_{pod['metadata']['uid']}_0"]
    assert shown[0].spec.labels[UID] == pod["metadata"]["uid"]
    assert [info.network.name for info in node.engine.networks.info()] == ["bridge", "host", "none"]


async def test_init_containers_go_first_and_sidecars_stay(node: Node) -> None:
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    mounts = [{"name": "v", "mountPath": "/v"}]
    first = container("first", ["sh", "-c", "echo first > /v/x"], volumeMounts=mounts)
    side = container(
        "side",
        ["sh", "-c", "echo side >> /v/x; trap 'exit 0' TERM; >/up; while :; do sleep 0.05; done"],
        volumeMounts=mounts,
        restartPolicy="Always",
        startupProbe={**LISTENS, "failureThreshold": 60},
    )
    main = container(command=["sh", "-c", "cat /v/x"], volumeMounts=mounts)
    await node.create(
        "order", main, initContainers=[first, side], restartPolicy="Never", terminationGracePeriodSeconds=60, **volume
    )
    pod = await node.done("order")
    assert pod["status"]["phase"] == "Succeeded"
    assert await node.logs("order") == "first\nside\n"
    assert state(pod, "side")["state"]["terminated"]["exitCode"] == 0


async def test_a_failed_init_container_is_the_end_of_a_pod_that_never_restarts(node: Node) -> None:
    bad = container("bad", ["sh", "-c", "exit 4"])
    await node.create("bad", container(), initContainers=[bad], restartPolicy="Never")
    pod = await node.done("bad")
    assert pod["status"]["phase"] == "Failed"
    assert state(pod, "bad")["state"]["terminated"]["exitCode"] == 4
    assert waiting(pod) == "PodInitializing"


async def test_a_first_crash_is_answered_at_once_and_the_next_with_a_pause(node: Node) -> None:
    await node.create("crash", container(command=["sh", "-c", "echo bye > /dev/termination-log; exit 3"]))
    pod = await node.until("crash", lambda pod: waiting(pod) == "CrashLoopBackOff")
    found = state(pod)
    assert found["restartCount"] == 1
    ended = found["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "bye\n")
    assert found["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main pod=crash_")
    assert pod["status"]["phase"] == "Running"
    assert any(reason == "BackOff" for reason, _ in await node.events("crash"))


async def test_a_crash_is_told_and_not_found_by_a_look_now_and_then(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.cluster.kubelet.worker.worker.PERIOD", 3600.0)
    await node.create("quick")
    pod = await node.running("quick")
    id = state(pod)["containerID"].partition("://")[2]
    await node.engine.containers.kill(id)
    after = await node.until("quick", lambda one: state(one)["restartCount"] == 1 and "running" in state(one)["state"])
    assert state(after)["lastState"]["terminated"]["exitCode"] == 137


async def test_a_job_that_is_done_leaves_its_status(node: Node) -> None:
    await node.create("job", container(command=["sh", "-c", "echo done"]), restartPolicy="OnFailure")
    pod = await node.done("job")
    ready = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")
    assert pod["status"]["phase"] == "Succeeded" and ready["reason"] == "PodCompleted"
    assert state(pod)["state"]["terminated"]["reason"] == "Completed"
    assert await node.logs("job") == "done\n"
    await eventually_async(lambda: node.engine.spaces.list() == [], "its space is given back")


async def test_what_is_missing_is_named_and_waited_for(node: Node) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "k"}}}]
    await node.create("waits", container(env=env))
    pod = await node.until("waits", lambda pod: waiting(pod) == "CreateContainerConfigError")
    assert state(pod)["state"]["waiting"]["message"] == 'configmap "later" not found'
    await node.client.create(CONFIG_MAPS, {"metadata": {"name": "later"}, "data": {"k": "v"}}, "default")
    await node.running("waits")
    assert await node.ask("waits", "sh", "-c", "echo $A") == "v\n"


async def test_images_that_are_not_there(node: Node) -> None:
    await node.create("never", {**container(), "image": "nosuch:1"})
    await node.create("pull", {**container(), "image": "127.0.0.1:1/nosuch:1", "imagePullPolicy": "IfNotPresent"})
    pod = await node.until("never", lambda pod: waiting(pod) == "ErrImageNeverPull")
    expected = 'Container image "nosuch:1" is not present with pull policy of Never'
    assert state(pod)["state"]["waiting"]["message"] == expected
    assert (await node.events("never"))[:2] == [("ErrImageNeverPull", expected), ("Failed", "Error: ErrImageNeverPull")]
    pod = await node.until("pull", lambda pod: waiting(pod) == "ImagePullBackOff")
    assert pod["status"]["phase"] == "Pending"
    reasons = [reason for reason, _ in await node.events("pull")]
    assert reasons[:3] == ["Pulling", "Failed", "Failed"] and "BackOff" in reasons


async def test_an_image_that_cannot_be_one(node: Node) -> None:
    await node.create("odd", {**container(), "image": "web:Bad:Tag"})
    pod = await node.until("odd", lambda pod: waiting(pod) == "InvalidImageName")
    name = '"web:Bad:Tag"'
    said = f"Failed to apply default image tag {name}: couldn't parse image name {name}: invalid reference format"
    assert state(pod)["state"]["waiting"]["message"] == said
    assert (await node.events("odd"))[:2] == [("InspectFailed", said), ("Failed", "Error: InvalidImageName")]


async def test_a_program_that_is_not_there(node: Node) -> None:
    await node.create("nope", container(command=["/nope"]), restartPolicy="Never")
    pod = await node.done("nope")
    ended = state(pod)["state"]["terminated"]
    assert pod["status"]["phase"] == "Failed" and 'exec: "/nope": ' in ended["message"]
    assert (ended["reason"], ended["exitCode"], ended["startedAt"]) == ("StartError", 128, "1970-01-01T00:00:00Z")
    assert [reason for reason, _ in await node.events("nope")] == ["Pulled", "Created", "Failed"]
    await node.create("again", container(command=["nosuch"]))
    pod = await node.until("again", lambda pod: waiting(pod) == "CrashLoopBackOff")
    assert state(pod)["lastState"]["terminated"]["reason"] == "StartError" and state(pod)["restartCount"] > 0


async def test_the_node_is_registered_and_alive(node: Node) -> None:
    found = await node.client.get(NODES, NODE)
    assert found["metadata"]["labels"]["kubernetes.io/hostname"] == NODE
    assert {one["type"]: one["status"] for one in found["status"]["conditions"]}["Ready"] == "True"
    assert found["spec"]["podCIDR"].startswith("10.244.")
    assert found["status"]["images"][0]["names"] == ["docker.io/library/busybox:latest"]
    lease = await node.client.get(LEASES, NODE, "kube-node-lease")
    events = node.client.watch(LEASES, "kube-node-lease", resource_version=lease["metadata"]["resourceVersion"])
    async for event in events:
        assert event.object["spec"]["renewTime"] > lease["spec"]["renewTime"]
        break
