"""What programs do with kr8s. Run by an environment that has it."""

from __future__ import annotations

import asyncio
import sys

import kr8s
from kr8s.asyncio.objects import ConfigMap as LiveConfigMap
from kr8s.objects import ConfigMap, Deployment, Pod

NAMESPACE = sys.argv[1]


def body(name: str, **more: object) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": NAMESPACE, "labels": {"by": "kr8s"}}, **more}


def plain() -> None:
    made = ConfigMap(body("c", data={"a": "1"}))
    made.create()
    assert made.exists() and made.raw.metadata.uid
    made.patch({"data": {"b": "2"}})
    assert made.data == {"a": "1", "b": "2"}
    made.label({"more": "x"})
    made.annotate({"note": "y"})
    found = list(kr8s.get("configmaps", namespace=NAMESPACE, label_selector={"more": "x"}))
    assert [one.name for one in found] == ["c"] and found[0].annotations["note"] == "y"
    made.delete()
    assert not made.exists()
    try:
        ConfigMap.get("c", namespace=NAMESPACE)
        raise AssertionError("still there")
    except kr8s.NotFoundError:
        pass


def workloads() -> None:
    labels = {"app": "web"}
    pod = {"containers": [{"name": "main", "image": "nginx"}]}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    made = Deployment(body("web", spec=spec))
    made.create()
    made.patch({"spec": {"replicas": 3}}, subresource="scale")
    made.refresh()
    assert made.replicas == 3
    made.delete()
    one = Pod(body("p", spec=pod))
    one.create()
    assert not one.ready() and one.status.phase == "Pending"
    one.delete(force=True)


async def watched() -> None:
    api = await kr8s.asyncio.api()
    seen: list[tuple[str, str]] = []
    added = asyncio.Event()

    async def follow() -> None:
        async for kind, one in api.watch("configmaps", namespace=NAMESPACE, label_selector="by=kr8s"):
            seen.append((kind, one.name))
            added.set()
            if kind == "DELETED":
                return

    task = asyncio.ensure_future(follow())
    made = await LiveConfigMap(body("w"))
    await made.create()
    await asyncio.wait_for(added.wait(), 20)
    await made.delete()
    await asyncio.wait_for(task, 20)
    assert seen == [("ADDED", "w"), ("DELETED", "w")], seen


plain()
workloads()
asyncio.run(watched())
assert kr8s.api().version()["major"] == "1"
assert kr8s.whoami()
print("done")
