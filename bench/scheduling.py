"""The scheduler alone: how many pods it decides upon in a second, and how many get their node through the API."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.statistics import SUBJECT, Row, Target, collect
from corral.cluster.client.builtin import NODES, PODS
from corral.cluster.client.events import Events
from corral.cluster.client.informers import Informers
from corral.cluster.scheduler.cycle import decide
from corral.cluster.scheduler.engine import rules_of
from corral.cluster.scheduler.framework import Hints
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.pods.terms import PodTerm
from corral.cluster.scheduler.scheduler import Scheduler
from corral.cluster.scheduler.settings import Profile
from corral.cluster.scheduler.snapshot.snapshot import Snapshot
from corral.model.kubernetes.selectors import of_labels
from tests.support.apiserver import admin, api_server
from tests.support.scheduling import node, pod

Object = dict[str, Any]

COUNT = 5000  # nodes
APPS = 100
ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
FAST = (Target("least", 2000),)
ROWS = {
    "decided, plain pods": ("/s", FAST),
    "decided, pods of a Service": ("/s", FAST),
    "decided, spread over zones": ("/s", FAST),
    "decided, one on each host": ("/s", FAST),
    "decided, near their like": ("/s", FAST),
    "decided and bound": ("/s", (Target("least", 500),)),
}
TOLERATIONS = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in ("not-ready", "unreachable")
]


def some_node(number: int) -> Object:
    zone = {ZONE: f"zone-{number % 3}", "topology.kubernetes.io/region": "here"}
    return node(f"node-{number}", zone, cpu="16", memory="64Gi")


def some_pod(number: int, **spec: Any) -> Object:
    requests = {"cpu": "100m", "memory": "128Mi"}
    return pod(f"pod-{number}", {"app": app(number)}, requests=requests, tolerations=TOLERATIONS, **spec)


def app(number: int) -> str:
    return f"app-{number % APPS}"


def mates(number: int) -> Object:
    return {"labelSelector": {"matchLabels": {"app": app(number)}}}


def rule(kind: str, key: str, number: int) -> Object:
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": key, **mates(number)}]}}


def spread(number: int) -> Object:
    constraint = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **mates(number)}
    return some_pod(number, topologySpreadConstraints=[constraint])


def decided(count: int, make: Callable[[int], Object], *, services: bool = False) -> float:
    """Pods per second, each read from its JSON, decided upon and counted on its node."""
    found, drawn, rules, start = Snapshot(), random.Random(1), rules_of(Profile()), 0
    for number in range(COUNT):
        found.put_node(some_node(number))
    kinds = {app(n): PodTerm("", of_labels({"app": app(n)}), frozenset(("default",))) for n in range(APPS)}
    pods = [make(number) for number in range(count)]
    begin = time.perf_counter()
    for one in pods:
        asked = Pod(one)
        hints = Hints(kinds[asked.labels["app"]] if services else None)
        made = decide(found, asked, rules, drawn.randrange, start, hints=hints)
        assert made.node, made.diagnosis.message()
        found.put_pod(asked, made.node)
        start = made.next
    return count / (time.perf_counter() - begin)


async def bound(folder: Path, count: int) -> float:
    """Pods per second that are there already when the scheduler starts, until all are known to have their nodes."""
    async with api_server(folder) as api:
        client = admin(api)
        for number in range(COUNT):
            await client.create(NODES, some_node(number))
        for number in range(count):
            made = some_pod(number)
            del made["metadata"]["uid"], made["status"]
            await client.create(PODS, made)
        informers, events = Informers(client), Events(client)
        scheduler = Scheduler(client, informers, events.recorder("default-scheduler"), drawn=random.Random(1))
        left, done = count, asyncio.Event()

        def changed(old: Object | None, new: Object | None) -> None:
            nonlocal left
            if new is not None and new["spec"].get("nodeName") and not (old or new)["spec"].get("nodeName"):
                left -= 1
                if not left:
                    done.set()

        informers.of(PODS).on_change(changed)
        begin = time.perf_counter()
        tasks = [asyncio.create_task(one) for one in (informers.run(), events.run(), scheduler.run())]
        await done.wait()
        taken = time.perf_counter() - begin
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return count / taken


def sample(folder: Path, requests: int) -> dict[str, float]:
    count = requests
    return {
        "decided, plain pods": decided(count, some_pod),
        "decided, pods of a Service": decided(count, some_pod, services=True),
        "decided, spread over zones": decided(count, spread),
        "decided, one on each host": decided(count, lambda n: some_pod(n, affinity=rule("podAntiAffinity", HOST, n))),
        "decided, near their like": decided(count, lambda n: some_pod(n, affinity=rule("podAffinity", ZONE, n))),
        "decided and bound": asyncio.run(bound(folder, count)),
    }


def measured(folder: Path, requests: int, rounds: int) -> list[Row]:
    samples = []
    for number in range(rounds):
        place = folder / f"scheduling-{number}"
        place.mkdir()
        samples.append((SUBJECT, sample(place, requests)))
        shutil.rmtree(place)
    found = collect(samples)
    return [Row(f"scheduler: {name}", unit, found.get(name, {}), targets) for name, (unit, targets) in ROWS.items()]
