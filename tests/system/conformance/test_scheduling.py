"""sig-scheduling: which pods run, which wait and why, and which must go for more important ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.conformance import Cluster, Object, Space, condition, container, is_ready, pod
from tests.support.kubernetes import STRATEGIC_PATCH
from tests.support.ports import free_port
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

TOKEN = "example.com/token"
SCHEDULING = "/apis/scheduling.k8s.io/v1/priorityclasses"


@pytest.fixture
def tokens(cluster: Cluster) -> Iterator[int]:
    """The node has five of a resource that only we know of; nobody has told the kubelet."""
    place = f"/api/v1/nodes/{cluster.node}"
    for count in ("5", None):
        patch = {"status": {"capacity": {TOKEN: count}}}
        assert cluster.admin.patch(f"{place}/status", patch, STRATEGIC_PATCH).status == 200
        cluster.until("/api/v1/nodes", cluster.node, lambda node, count=count: (
            node["status"]["allocatable"].get(TOKEN) == count))  # fmt: skip
        if count:
            yield int(count)


def waits(space: Space, name: str, why: str) -> None:
    """Returns once a pod is known to fit nowhere, for that reason."""
    found = space.until(name, lambda one: condition(one, "PodScheduled").get("reason") == "Unschedulable")
    assert why in condition(found, "PodScheduled")["message"] and not found["spec"].get("nodeName")


def needs(count: int, main: str = "main") -> Object:
    resources = {"requests": {TOKEN: str(count)}, "limits": {TOKEN: str(count)}}
    return container(name=main, resources=resources)


def test_resources_have_an_end(tokens: int, space: Space) -> None:
    space.run("fills", needs(tokens))
    space.ready("fills")
    space.run("one-more", needs(1))
    waits(space, "one-more", f"Insufficient {TOKEN}")
    space.run("much", container(resources={"requests": {"cpu": "100000"}}))
    waits(space, "much", "Insufficient cpu")
    space.delete("pods", "fills")
    space.ready("one-more")


def test_node_selectors(cluster: Cluster, space: Space) -> None:
    selector = {f"{space.name}.example.com/here": "yes"}
    space.run("waits", nodeSelector=selector)
    waits(space, "waits", "node(s) didn't match Pod's node affinity/selector")
    assert cluster.admin.patch(f"/api/v1/nodes/{cluster.node}", {"metadata": {"labels": selector}}).status == 200
    assert space.ready("waits")["spec"]["nodeName"] == cluster.node


def test_ports_of_the_node(cluster: Cluster, space: Space) -> None:
    number = free_port()

    def port(address: str) -> Object:
        return container(ports=[{"containerPort": 80, "hostPort": number, **({"hostIP": address} if address else {})}])

    space.run("all", port(""))
    space.until("all", lambda one: one["spec"].get("nodeName"))
    space.run("one", port("127.0.0.1"))
    waits(space, "one", "node(s) didn't have free ports for the requested pod ports")


# Priorities


@pytest.fixture
def priorities(cluster: Cluster, space: Space) -> list[str]:
    """Names of classes, the least important first."""
    names = [f"{space.name}-{number}" for number in range(1, 5)]
    for number, name in enumerate(names, 1):
        cluster.admin.ok("POST", SCHEDULING, {"metadata": {"name": name}, "value": number})
    return names


def test_the_less_important_goes(tokens: int, space: Space, priorities: list[str]) -> None:
    space.run("low", needs(tokens - 1), priorityClassName=priorities[0])
    space.ready("low")
    space.run("high", needs(tokens - 1), priorityClassName=priorities[2])
    space.ready("high")
    space.gone("low")
    name, made = f"critical-{space.name}", pod(needs(tokens), priorityClassName="system-cluster-critical")
    system = "/api/v1/namespaces/kube-system/pods"
    space.admin.ok("POST", system, {**made, "metadata": {"name": name}})
    found = space.cluster.until(system, name, is_ready)
    assert found["spec"]["priority"] == 2000000000
    space.gone("high")
    space.admin.ok("DELETE", f"{system}/{name}", {"gracePeriodSeconds": 0})


def test_who_must_go_is_told_why(tokens: int, space: Space, priorities: list[str]) -> None:
    spec = pod(needs(tokens), priorityClassName=priorities[0])
    space.create("pods", "victim", spec, finalizers=["example.com/held"])
    space.ready("victim")
    space.run("preemptor", needs(tokens), priorityClassName=priorities[1])
    space.ready("preemptor")
    found = space.until("victim", lambda one: one["metadata"].get("deletionTimestamp"))
    told = condition(found, "DisruptionTarget")
    assert (told["status"], told["reason"]) == ("True", "PreemptionByScheduler")
    space.patch("pods", "victim", {"metadata": {"finalizers": None}})
    space.gone("victim")


def test_as_few_as_need_be_go(tokens: int, space: Space, priorities: list[str]) -> None:
    """Of three ReplicaSets with 1, 1 and 2 tokens a newcomer with 3 drives out the two least important; their
    new pods wait."""
    for number, count in enumerate((1, 1, 2)):
        labels = {"app": f"rs{number}"}
        template = pod(needs(count), labels=labels, restartPolicy="Always", priorityClassName=priorities[number])
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        space.create("replicasets", f"rs{number}", {"spec": spec}, "apps/v1")
    available = lambda one: one.get("status", {}).get("availableReplicas") == 1  # noqa: E731
    before = {}
    for number in range(3):
        space.until(f"rs{number}", available, "replicasets", "apps/v1")
        before[number] = [one["metadata"]["name"] for one in space.items("pods", f"app=rs{number}")]
    space.run("newcomer", needs(3), priorityClassName=priorities[3])
    space.ready("newcomer")

    def after(number: int) -> list[str]:
        return [one["metadata"]["name"] for one in space.items("pods", f"app=rs{number}")]

    for number in (0, 1):
        eventually(
            lambda number=number: len(after(number)) == 1 and after(number) != before[number], "a new pod", seconds=60
        )
        waits(space, after(number)[0], f"Insufficient {TOKEN}")
    assert after(2) == before[2]


# What a namespace asks of its pods


def test_limits_of_a_namespace(space: Space) -> None:
    limit = {
        "type": "Container",
        "min": {"cpu": "50m"}, "max": {"cpu": "500m"},
        "defaultRequest": {"cpu": "100m", "memory": "200Mi"}, "default": {"cpu": "400m", "memory": "500Mi"},
    }  # fmt: skip
    space.create("limitranges", "limits", {"spec": {"limits": [limit]}})
    asleep = {"nodeSelector": {"example.com/nowhere": "x"}}
    found = space.run("none", **asleep)["spec"]["containers"][0]["resources"]
    assert found == {"limits": {"cpu": "400m", "memory": "500Mi"}, "requests": {"cpu": "100m", "memory": "200Mi"}}
    own = {"limits": {"memory": "300Mi"}, "requests": {"cpu": "300m", "memory": "150Mi"}}
    found = space.run("some", container(resources=own), **asleep)["spec"]["containers"][0]["resources"]
    assert found == {"limits": {"cpu": "400m", "memory": "300Mi"}, "requests": {"cpu": "300m", "memory": "150Mi"}}
    for cpu, word in (
        ("10m", "minimum cpu usage per Container is 50m"),
        ("600m", "maximum cpu usage per Container is 500m"),
    ):
        answer = space.attempt(pod(container(resources={"requests": {"cpu": cpu}, "limits": {"cpu": cpu}})))
        assert answer.status == 403 and word in answer.told[2]
    space.patch("limitranges", "limits", {"spec": {"limits": [{**limit, "min": {"cpu": "10m"}}]}})
    small = {"requests": {"cpu": "10m"}, "limits": {"cpu": "10m"}}
    again = pod(container(resources=small), **asleep)
    eventually(lambda: space.attempt(again, "?dryRun=All").status == 201, "the change is known", seconds=60)


def test_a_class_keeps_its_value(cluster: Cluster, priorities: list[str]) -> None:
    place = f"{SCHEDULING}/{priorities[0]}"
    found = cluster.admin.get(place)
    assert cluster.admin.patch(place, {"value": 100}).told[0] == 422
    assert cluster.admin.ask("PUT", place, {**found, "value": 100}).told[0] == 422
    assert cluster.admin.patch(place, {"description": "new"}).status == 200
    found = cluster.admin.get(place)
    assert (found["value"], found["description"]) == (1, "new")
