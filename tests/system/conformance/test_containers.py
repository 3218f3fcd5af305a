"""sig-node: what a container is told when it starts, and what is told of it when it has ended.

All pods of the table are made at once; each case looks at its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.support.conformance import Cluster, Object, Space, container, is_ready, pod, status_of

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

IMAGE = "says:latest"  # ENTRYPOINT ["echo", "image"], CMD ["default", "words"]


class Case(NamedTuple):
    """A pod that runs once; `lines` of what it says, {} with the facts of the cluster."""

    main: Object
    lines: str
    spec: Object = {}


def _image(**more: Any) -> Object:
    return {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", **more}


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _resource(name: str, resource: str) -> Object:
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource}}}


def _key(name: str, kind: str, key: str) -> Object:
    return {"name": name, "valueFrom": {f"{kind}KeyRef": {"name": "facts", "key": key}}}


RESOURCES = [_resource(name, name.lower().replace("_", ".")) for name in (
    "LIMITS_CPU", "LIMITS_MEMORY", "REQUESTS_CPU", "REQUESTS_MEMORY")]  # fmt: skip
SHOW = "echo $LIMITS_CPU $LIMITS_MEMORY $REQUESTS_CPU $REQUESTS_MEMORY"
ASKED = {"limits": {"cpu": "1250m", "memory": "64Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}}
IDS = [_field("NAME", "metadata.name"), _field("SPACE", "metadata.namespace"), _field("UID", "metadata.uid"),
       _field("IP", "status.podIP"), _field("HOST", "status.hostIP"), _field("NODE", "spec.nodeName"),
       _field("ACCOUNT", "spec.serviceAccountName")]  # fmt: skip
COMPOSED = [{"name": "A", "value": "a"}, {"name": "B", "value": "b-$(A)"}, {"name": "C", "value": "$(A);;$(B)"},
            {"name": "D", "value": "$$(A) $(NONE)"}]  # fmt: skip

CASES = {
    "image-defaults": Case(_image(), "image default words"),
    "arguments": Case(_image(args=["override"]), "image override"),
    "command": Case(_image(command=["printf", "own"]), "own"),
    "command-and-arguments": Case(_image(command=["echo", "own"], args=["words"]), "own words"),
    "keys": Case(container("echo $A $B", env=[_key("A", "configMap", "one"), _key("B", "secret", "two")]), "1 2"),
    "all-of-them": Case(
        container("echo $one $p_two", envFrom=[
            {"configMapRef": {"name": "facts"}}, {"prefix": "p_", "secretRef": {"name": "facts"}},
        ]),
        "1 2",
    ),
    "own-resources": Case(container(SHOW, env=RESOURCES, resources=ASKED), "2 67108864 1 33554432"),
    "own-identity": Case(
        container("echo $NAME $SPACE $UID $IP $HOST $NODE $ACCOUNT; hostname -i", env=IDS),
        "own-identity {space} {uid} {ip} {host} {node} default\n{ip}",
    ),
    "composed": Case(container("echo $C $D", env=COMPOSED), "a;;b-a $(A) $(NONE)"),
    "expanded-command": Case(
        {**container(), "command": ["sh", "-c", "echo $(A)"], "env": [{"name": "A", "value": "value"}]}, "value"
    ),
    "expanded-arguments": Case(_image(args=["$(A)"], env=[{"name": "A", "value": "value"}]), "image value"),
    "both-streams": Case(container("echo out; echo err >&2"), "out\nerr"),
    "user": Case(container("id -u", securityContext={"runAsUser": 65534}), "65534"),
    "user-and-group-of-the-container": Case(
        container("id -u; id -g", securityContext={"runAsUser": 1001, "runAsGroup": 2002}), "1001\n2002"
    ),
    "user-and-group-of-the-pod": Case(
        container("id -u; id -g"), "1001\n2002", {"securityContext": {"runAsUser": 1001, "runAsGroup": 2002}}
    ),
    "not-privileged": Case(
        container("ip link add d type dummy 2>&1 | grep -o permit", securityContext={"privileged": False}), "permit"
    ),
    "writable-root": Case(
        container("echo here >/file; cat /file", securityContext={"readOnlyRootFilesystem": False}), "here"
    ),
    "read-only-root": Case(
        container("(echo here >/file) 2>/dev/null || echo may not", securityContext={"readOnlyRootFilesystem": True}),
        "may not",
    ),
    "no-escalation": Case(
        container("id -u; grep NoNewPrivs /proc/self/status",
                  securityContext={"allowPrivilegeEscalation": False, "runAsUser": 1000}),
        "1000\nNoNewPrivs:\t1",
    ),
    "sysctl": Case(
        container("sysctl -n kernel.shm_rmid_forced"), "1",
        {"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}},
    ),
    "host-aliases": Case(
        container("grep -c '^# Kubernetes-managed hosts file' /etc/hosts; grep -w foo.example /etc/hosts"),
        "1\n123.45.67.89\tfoo.example\tbar.example",
        {"hostAliases": [{"ip": "123.45.67.89", "hostnames": ["foo.example", "bar.example"]}]},
    ),
    "hosts-of-the-node": Case(
        container("head -1 /etc/hosts"), "# Kubernetes-managed hosts file (host network).", {"hostNetwork": True}
    ),
    "hosts-of-its-own": Case(
        container("cat /etc/hosts", volumeMounts=[{"name": "own", "mountPath": "/etc/hosts", "subPath": "one"}]), "1",
        {"volumes": [{"name": "own", "configMap": {"name": "facts"}}]},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def ran(cluster: Cluster, shared: Space) -> Space:
    """All of them have been made."""
    cluster.image(IMAGE, 'ENTRYPOINT ["echo", "image"]', 'CMD ["default", "words"]')
    shared.create("configmaps", "facts", {"data": {"one": "1"}})
    shared.create("secrets", "facts", {"stringData": {"two": "2"}})
    for name, case in CASES.items():
        shared.create("pods", name, pod(case.main, **case.spec))
    return shared


@pytest.mark.parametrize("name", CASES)
def test_what_it_says(cluster: Cluster, ran: Space, name: str) -> None:
    said = ran.said(name)
    found = ran.get("pods", name)
    facts = {
        "space": ran.name,
        "uid": found["metadata"]["uid"],
        "ip": found["status"].get("podIP"),
        "host": cluster.address,
        "node": cluster.node,
    }
    assert said.strip() == CASES[name].lines.format(**facts)


def test_limits_are_the_nodes_where_there_are_none(cluster: Cluster, ran: Space) -> None:
    ran.run("default-limits", container("echo $LIMITS_CPU $LIMITS_MEMORY", env=RESOURCES[:2]))
    cpu, memory = ran.said("default-limits").split()
    there = cluster.admin.get(f"/api/v1/nodes/{cluster.node}")["status"]["allocatable"]
    assert cpu == there["cpu"] and int(memory) == int(there["memory"].removesuffix("Ki")) * 1024


# How it ended


ENDS = {
    "file": (container("printf done >/dev/termination-log"), "done"),
    "nothing": (container("echo logged", terminationMessagePolicy="FallbackToLogsOnError"), ""),
    "log": (container("printf logged; exit 1", terminationMessagePolicy="FallbackToLogsOnError"), "logged"),
    "file-first": (
        container("echo logged; printf done >/dev/termination-log", terminationMessagePolicy="FallbackToLogsOnError"),
        "done",
    ),
    "elsewhere": (
        container("printf done >/dev/own", terminationMessagePath="/dev/own", securityContext={"runAsUser": 1000}),
        "done",
    ),
}  # fmt: skip


def test_last_words(space: Space) -> None:
    for name, (main, _) in ENDS.items():
        space.create("pods", name, pod(main))
    for name, (_, wanted) in ENDS.items():
        ended = status_of(space.done(name))["state"]["terminated"]
        assert (name, ended.get("message", "")) == (name, wanted)


def test_who_is_started_again(space: Space) -> None:
    """The first run fails, the second one waits; the third rule lets none happen."""
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    mounts = [{"name": "v", "mountPath": "/v"}]
    twice = "n=$(cat /v/n 2>/dev/null || echo 0); echo $((n + 1)) >/v/n; test $n = 1 || exit 1; "
    always = container(f"{twice} trap 'exit 0' TERM; sleep 9999 & wait", volumeMounts=mounts)
    on_failure = container(f"{twice} exit 0", volumeMounts=mounts)
    space.run("always", always, restartPolicy="Always", **volume)
    space.run("on-failure", on_failure, restartPolicy="OnFailure", **volume)
    space.run("never", container("exit 1"))
    found = space.until("always", lambda pod: is_ready(pod) and status_of(pod)["restartCount"] > 0)  # ready once before
    assert (found["status"]["phase"], status_of(found)["restartCount"]) == ("Running", 1)
    assert "running" in status_of(found)["state"]
    found = space.done("on-failure")
    assert (found["status"]["phase"], status_of(found)["restartCount"]) == ("Succeeded", 1)
    found = space.done("never")
    ended = status_of(found)["state"]["terminated"]
    assert (found["status"]["phase"], status_of(found)["restartCount"]) == ("Failed", 0)
    assert (ended["exitCode"], ended["reason"]) == (1, "Error") and not status_of(found)["ready"]
    space.delete("pods", "never")
    space.gone("never")


# What runs first


def _init(name: str, script: str) -> Object:
    return container(script, name)


def test_init_containers(space: Space) -> None:
    both = [_init("init1", "true"), _init("init2", "true")]
    space.run("once", container("true", "run1"), initContainers=both)
    space.run("always", container(name="run1"), initContainers=both, restartPolicy="Always")
    space.run("ends", container(name="run1"), initContainers=[_init("init1", "true"), _init("init2", "false")])
    bad = [_init("init1", "false"), _init("init2", "true")]
    space.run("again", container(name="run1"), initContainers=bad, restartPolicy="Always")
    for name, phase in (("once", "Succeeded"), ("always", "Running")):
        found = space.until(name, lambda one, phase=phase: one.get("status", {}).get("phase") == phase)
        inits = found["status"]["initContainerStatuses"]
        assert [one["state"]["terminated"]["exitCode"] for one in inits] == [0, 0] and all(
            one["ready"] for one in inits
        )
    found = space.done("ends")
    assert found["status"]["phase"] == "Failed"
    assert status_of(found, "init1")["state"]["terminated"]["exitCode"] == 0
    assert status_of(found, "init2")["state"]["terminated"]["exitCode"] == 1
    assert "waiting" in status_of(found, "run1")["state"]
    found = space.until("again", lambda one: status_of(one, "init1").get("restartCount", 0) >= 2)
    assert found["status"]["phase"] == "Pending"
    assert not any("running" in status_of(found, name)["state"] for name in ("init2", "run1"))
    initialized = next(one for one in found["status"]["conditions"] if one["type"] == "Initialized")
    assert (initialized["status"], initialized["reason"]) == ("False", "ContainersNotInitialized")
    assert initialized["message"] == "containers with incomplete status: [init1 init2]"
