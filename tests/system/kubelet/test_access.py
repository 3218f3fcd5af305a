"""What the API server asks a node for: logs, commands, consoles, connections."""

from __future__ import annotations

import pytest

from corral.cluster.client.nodes import LogOptions, NodeAccess
from corral.model.kubernetes.status import StatusError
from tests.support.kubelet import LISTENS, Node, container, state, waiting

pytestmark = [pytest.mark.root, pytest.mark.timeout(90)]


async def test_logs(node: Node) -> None:
    access: NodeAccess = node.kubelet.access
    script = "echo one; echo two >&2; echo three"
    await node.create("says", container(command=["sh", "-c", script]), restartPolicy="Never")
    await node.done("says")
    assert sorted((await node.logs("says")).split()) == ["one", "three", "two"]
    assert await node.logs("says", stream="Stderr") == "two\n"
    assert len((await node.logs("says", tail=2)).split()) == 2
    assert await node.logs("says", stream="Stdout", limit=5) == "one\nt"
    stamp, _, rest = (await node.logs("says", stream="Stderr", timestamps=True)).partition(" ")
    assert stamp.endswith("Z") and "T" in stamp and rest == "two\n"
    with pytest.raises(StatusError, match='previous terminated container "main" in pod "says" not found'):
        await node.logs("says", previous=True)
    with pytest.raises(StatusError, match="container other is not valid for pod says"):
        _ = [chunk async for chunk in access.logs(await node.get("says"), LogOptions("other"))]


async def test_logs_of_the_run_before(node: Node) -> None:
    await node.create("twice", container(command=["sh", "-c", "echo run; exit 1"]))
    await node.until("twice", lambda pod: waiting(pod) == "CrashLoopBackOff")
    assert await node.logs("twice", previous=True) == "run\n"


async def test_a_command_with_input_and_its_exit_code(node: Node) -> None:
    await node.create("runs")
    pod = await node.running("runs")
    command = ["sh", "-c", "cat; echo err >&2; exit 7"]
    streams = await node.kubelet.access.exec(pod, "main", command, stdin=True, stdout=True, stderr=True, tty=False)
    await streams.write(b"in\n")
    await streams.close_stdin()
    said: dict[int, bytes] = {1: b"", 2: b""}
    while (frame := await streams.read()) is not None:
        said[frame[0]] += frame[1]
    assert said == {1: b"in\n", 2: b"err\n"} and await streams.wait() == 7
    with pytest.raises(StatusError, match="container not found"):
        await node.kubelet.access.exec(pod, "other", ["x"], stdin=False, stdout=True, stderr=True, tty=False)


async def test_the_console(node: Node) -> None:
    await node.create("cat", container(command=["cat"], stdin=True))
    pod = await node.running("cat")
    streams = await node.kubelet.access.attach(pod, "main", stdin=True, stdout=True, stderr=True, tty=False)
    await streams.write(b"echo\n")
    assert await streams.read() == (1, b"echo\n")
    await streams.close()


async def test_a_connection_to_what_only_the_pod_reaches(node: Node) -> None:
    web = ["sh", "-c", "mkdir /w; echo hi > /w/x; httpd -f -p 127.0.0.1:8080 -h /w"]
    await node.create("web", container(command=web))
    pod = await node.running("web")
    await node.ask("web", "sh", "-c", "until wget -qO- http://127.0.0.1:8080/x; do sleep 0.05; done")
    connection = await node.kubelet.access.connect(pod, 8080)
    await connection.write(b"GET /x HTTP/1.0\r\n\r\n")
    said = b""
    while chunk := await connection.read():
        said += chunk
    await connection.close()
    assert said.endswith(b"hi\n")
    with pytest.raises(StatusError, match="localhost:9 inside namespace: connect: connection refused"):
        await node.kubelet.access.connect(pod, 9)


async def test_an_ephemeral_container_sees_its_target(node: Node) -> None:
    from corral.cluster.client.builtin import PODS
    from corral.cluster.client.protocol import STRATEGIC_MERGE_PATCH

    await node.create("target", container(readinessProbe=LISTENS))
    await node.running("target")
    debug = {**container("debug"), "targetContainerName": "main"}
    patch = {"spec": {"ephemeralContainers": [debug]}}
    await node.client.patch(
        PODS, "target", "default", patch=patch, type=STRATEGIC_MERGE_PATCH, subresource="ephemeralcontainers"
    )
    pod = await node.until("target", lambda pod: "running" in state(pod, "debug").get("state", {}))
    assert "started" not in state(pod, "debug")
    said = await node.ask("target", "sh", "-c", "until [ -e /up ]; do sleep 0.05; done; ps", of="debug")
    assert said.count("while :; do sleep 0.05; done") >= 2
