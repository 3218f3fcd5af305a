"""sig-node: the life of a pod as its user sees it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.conformance import Cluster, Object, Space, condition, container, is_ready, pod, status_of
from tests.support.kubernetes import STRATEGIC_PATCH
from tests.support.streaming import SocketClient

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

POD = {"limits": {"cpu": "100m", "memory": "100Mi"}, "requests": {"cpu": "100m", "memory": "100Mi"}}


def test_a_life_in_a_watch(space: Space) -> None:
    stream = space.admin.watch(f"{space.path('pods')}?watch=1&labelSelector=time=now")
    space.create("pods", "life", pod(container(resources=POD), labels={"time": "now"}))
    assert stream.told() == ("ADDED", "life")
    found = next(event["object"] for event in iter(stream.next, None) if is_ready(event["object"]))
    assert found["status"]["qosClass"] == "Guaranteed" and found["status"]["phase"] == "Running"
    assert found["status"]["hostIP"] == space.cluster.address
    space.patch("pods", "life", {"metadata": {"labels": {"more": "label"}}})
    assert [one["metadata"]["name"] for one in space.items("pods", "more=label")] == ["life"]
    patched = space.patch("pods", "life", {"status": {"message": "told by us", "reason": "Told"}}, "status")["status"]
    assert (patched["message"], patched["reason"]) == ("told by us", "Told")
    space.delete("pods", "life", gracePeriodSeconds=1)
    events = iter(stream.next, None)
    marked = next(event["object"] for event in events if event["object"]["metadata"].get("deletionTimestamp"))
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 1
    assert any(event["type"] == "DELETED" for event in events) and space.items("pods", "time=now") == []
    stream.close()


def test_a_status_can_be_replaced(space: Space) -> None:
    space.run("told")
    found = space.ready("told")
    for one in found["status"]["conditions"]:
        if one["type"] == "Ready":
            one["status"] = "False"
    stream = space.admin.watch(f"{space.path('pods')}?watch=1&resourceVersion={found['metadata']['resourceVersion']}")
    found.pop("metadata")
    body = {"metadata": {"name": "told"}, "apiVersion": "v1", "kind": "Pod", **found}
    answer = space.admin.ok("PUT", space.path("pods", "told", "status"), body)
    assert condition(answer, "Ready")["status"] == "False"
    assert condition(stream.next()["object"], "Ready")["status"] == "False"
    stream.close()
    space.ready("told")  # the kubelet knows better


def test_a_deadline_that_is_set_later(space: Space) -> None:
    space.run("late")
    space.ready("late")
    space.patch("pods", "late", {"spec": {"activeDeadlineSeconds": 1}})
    found = space.done("late")
    assert (found["status"]["phase"], found["status"]["reason"]) == ("Failed", "DeadlineExceeded")


def test_all_of_a_label_go(space: Space) -> None:
    for number in range(3):
        space.create("pods", f"p{number}", pod(container(), labels={"set": "one"}))
    space.run("stays")
    space.admin.ok("DELETE", f"{space.path('pods')}?labelSelector=set=one", {"gracePeriodSeconds": 0})
    for number in range(3):
        space.gone(f"p{number}")
    assert [one["metadata"]["name"] for one in space.items("pods")] == ["stays"]


def test_services_are_told_in_the_environment(space: Space) -> None:
    space.create("services", "foo-service", {"spec": {"ports": [{"port": 8765, "targetPort": 8080}]}})
    space.run("sees", container("env | grep ^FOO_SERVICE | sort"))
    address = space.get("services", "foo-service")["spec"]["clusterIP"]
    start = "FOO_SERVICE_PORT_8765_TCP"
    assert space.said("sees").splitlines() == sorted([
        f"FOO_SERVICE_PORT=tcp://{address}:8765", f"{start}=tcp://{address}:8765", f"{start}_ADDR={address}",
        f"{start}_PORT=8765", f"{start}_PROTO=tcp", f"FOO_SERVICE_SERVICE_HOST={address}",
        "FOO_SERVICE_SERVICE_PORT=8765",
    ])  # fmt: skip


def _socket(space: Space, path: str, protocol: str) -> SocketClient:
    return SocketClient(space.cluster.port, space.cluster.context, path, protocol)


def test_logs_and_commands_through_web_sockets(space: Space) -> None:
    space.run("ws", container("echo started; sleep 9999"))
    space.ready("ws")
    client = _socket(space, space.path("pods", "ws", "log?container=main&follow=1"), "binary.k8s.io")
    assert client.receive()[1] == b"started\n"
    client.close()
    query = "exec?container=main&stdout=1&stderr=1&command=echo&command=remote%20test"
    client = _socket(space, space.path("pods", "ws", query), "channel.k8s.io")
    assert client.all()[1] == b"remote test\n"
    client.close()


def test_containers_to_debug_with(space: Space) -> None:
    space.run("debugged")
    space.ready("debugged")
    for number, name in enumerate(("one", "two"), 1):
        debugger = {**container(name=name), "targetContainerName": "main"}
        debugger["command"] = ["sleep", "9999"]
        place = space.path("pods", "debugged", "ephemeralcontainers")
        if number == 1:
            patch = {"spec": {"ephemeralContainers": [debugger]}}
            assert space.admin.patch(place, patch, STRATEGIC_PATCH).status == 200
        else:
            found = space.admin.get(place)
            found["spec"]["ephemeralContainers"].append(debugger)
            space.admin.ok("PUT", place, found)
        space.until("debugged", lambda one, name=name: "running" in status_of(one, name).get("state", {}))
        assert len(space.get("pods", "debugged")["spec"]["ephemeralContainers"]) == number
        assert "sleep" in space.ask("debugged", "cat", "/proc/1/cmdline", of=name)


# What is refused


def test_classes_of_runtimes(cluster: Cluster, space: Space) -> None:
    place, name = "/apis/node.k8s.io/v1/runtimeclasses", f"class-{space.name}"
    assert space.attempt(pod(container(), runtimeClassName=name)).status == 403
    overhead = {"podFixed": {"cpu": "10m", "memory": "1Mi"}}
    cluster.admin.ok("POST", place, {"metadata": {"name": name}, "handler": "some", "overhead": overhead})
    made = space.run("heavy", runtimeClassName=name)
    assert made["spec"]["overhead"] == overhead["podFixed"]
    scheduled = space.until("heavy", lambda one: condition(one, "PodScheduled").get("status") == "True")
    assert scheduled["spec"]["nodeName"] == cluster.node
    space.delete("pods", "heavy", gracePeriodSeconds=0)
    cluster.admin.ok("DELETE", f"{place}/{name}")
    assert space.attempt(pod(container(), runtimeClassName=name)).status == 403


def test_kernel_parameters_that_are_none(space: Space) -> None:
    wrong = ["foo-", "kernel.shmmax", "safe-and-unsafe", "bar.."]
    spec = pod(container(), securityContext={"sysctls": [{"name": name, "value": "1"} for name in wrong]})
    code, _, message = space.attempt(spec).told
    assert code == 422 and all(f'Invalid value: "{name}"' in message for name in ("foo-", "bar.."))
    assert "kernel.shmmax" not in message and "safe-and-unsafe" not in message


def test_keys_that_are_none(space: Space) -> None:
    for plural, value in (("configmaps", "v"), ("secrets", "dg==")):
        told = space.admin.ask("POST", space.path(plural), {"metadata": {"name": "x"}, "data": {"": value}}).told
        assert told[0] == 422


# Parts of volumes by the names of variables


def _part(expression: str, **more: Any) -> Object:
    env = [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['part']"}}}]
    mounts = [{"name": "v", "mountPath": "/part", "subPathExpr": expression}, {"name": "v", "mountPath": "/whole"}]
    return container(env=env, volumeMounts=mounts, **more)


def test_parts_of_volumes_by_variables(space: Space) -> None:
    """One that can be, one that leads out, one that is no name; and one that becomes right later."""
    volumes = [{"name": "v", "emptyDir": {}}]
    parts = {"good": "mine", "absolute": "/etc", "backticks": "..", "later": "../out"}
    for name, part in parts.items():
        spec = pod(_part("sub/$(NAME)" if name == "good" else "$(NAME)"), volumes=volumes)
        space.create("pods", name, spec, annotations={"part": part})
    space.ready("good")
    assert space.shell("good", "echo here >/part/f; cat /whole/sub/mine/f") == "here"
    waiting = lambda one: status_of(one).get("state", {}).get("waiting", {}).get("reason")  # noqa: E731
    for name in ("absolute", "backticks", "later"):
        space.until(name, lambda one: waiting(one) == "CreateContainerConfigError")
    space.patch("pods", "later", {"metadata": {"annotations": {"part": "right"}}})
    space.ready("later")
    assert space.shell("later", "touch /part/f; ls /whole/right") == "f"
    # That the variable is another now says nothing of the container that runs, nor of the end of the pod.
    space.patch("pods", "good", {"metadata": {"annotations": {"part": "other"}}})
    space.delete("pods", "good")
    space.gone("good")
