"""The Kubernetes API of an instance of its own, under load. There is no peer here: the numbers stand beside goals."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.requests import Address, Connection, request
from bench.room import HEARTBEATS, at_rest, pss, undisturbed
from bench.statistics import Row, Target, collect
from tests.support.distribution import free_port

ROWS = {
    "start to ready": ("s", (Target("most", 0.8),)),
    "idle": ("% of a core", (Target("most", 0.5),)),
    "memory, idle": ("MB", ()),
    "create": ("/s", ()),
    "create, p99": ("ms", ()),
    "get": ("/s", (Target("least", 5000),)),
    "get, p99": ("ms", ()),
    "update": ("/s", ()),
    "update, p99": ("ms", ()),
    "500 mixed a second, p50": ("ms", ()),
    "500 mixed a second, p99": ("ms", (Target("most", 50),)),
    "list of 10,000 pods": ("ms", (Target("most", 150),)),
    "apply of 1,000 objects": ("s", ()),
    "1,000 watchers, 100 updates a second, p50": ("ms", ()),
    "1,000 watchers, 100 updates a second, p99": ("ms", ()),
    "memory, after it": ("MB", ()),
}
PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
CONNECTIONS = 16
APPLY = "application/apply-patch+yaml"


class Subject:
    """A running instance: where it is, and which process it is."""

    def __init__(self, root: Path) -> None:
        self.address = Address(root / "run/kubeconfig")
        self._process = Path("/proc", (root / "run/corral.pid").read_text().strip())

    def memory(self) -> float:
        return pss((self._process / "smaps_rollup").read_text()) / 1e6

    def cpu(self) -> float:
        """Seconds so far."""
        fields = (self._process / "stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


@contextmanager
def running(root: Path, sample: dict[str, float]) -> Iterator[Subject]:
    command = [sys.executable, "-m", "corral.cli", "--root", str(root)]
    flags = ["--kubernetes=true", f"--kubernetes-address=127.0.0.1:{free_port()}"]
    # The first start makes keys; what is waited for each day is a later one.
    subprocess.run([*command, "up", "--detach", *flags], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*command, "down"], check=True, stdout=subprocess.DEVNULL)
    begin = time.perf_counter()
    subprocess.run([*command, "up", "--detach", *flags], check=True, stdout=subprocess.DEVNULL)
    try:
        subject = Subject(root)
        asyncio.run(_ask_once(subject, "/readyz"))
        sample["start to ready"] = time.perf_counter() - begin
        yield subject
    finally:
        subprocess.run([*command, "down", "--all"], check=True, stdout=subprocess.DEVNULL)


async def _ask_once(subject: Subject, path: str) -> bytes:
    connection = await subject.address.connect()
    body = await connection.ask(request("GET", path))
    connection.close()
    return body


def pod(number: int) -> dict[str, Any]:
    container = {"name": "main", "image": "registry.example/app:1", "env": [{"name": "NUMBER", "value": str(number)}]}
    labels = {"app": "bench", "shard": str(number % 16)}
    return {"metadata": {"name": f"pod-{number}", "labels": labels}, "spec": {"containers": [container]}}


def config_map(name: str, value: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}


def percentile(times: Sequence[float], share: float) -> float:
    """Pure, in milliseconds.

    >>> percentile([0.001, 0.002, 0.003, 0.1], 0.5), percentile([0.001, 0.1], 0.99)
    (3.0, 100.0)
    """
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1e3


async def pressed(connections: Sequence[Connection], requests: Sequence[bytes]) -> tuple[float, list[float]]:
    """All requests, as fast as they are answered: (requests a second, seconds of each)."""
    waiting, times = iter(requests), []

    async def work(connection: Connection) -> None:
        for one in waiting:
            begin = time.perf_counter()
            await connection.ask(one)
            times.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    return len(times) / (time.perf_counter() - begin), times


async def paced(rate: float, count: int, act: Callable[[int], Awaitable[object]]) -> list[float]:
    """`count` acts at `rate` a second, each begun when it is due, however late the others are: seconds of each."""
    times: list[float] = []
    begin = time.perf_counter()

    async def one(number: int, due: float) -> None:
        await act(number)
        times.append(time.perf_counter() - due)

    tasks = []
    for number in range(count):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.ensure_future(one(number, due)))
    await asyncio.gather(*tasks)
    return times


async def sample_of(subject: Subject, objects: int, requests: int, watchers: int, seconds: float) -> dict[str, float]:
    at_rest(subject.cpu)
    begin, idle = subject.cpu(), max(seconds, HEARTBEATS)
    await asyncio.sleep(idle)
    found = {"idle": (subject.cpu() - begin) / idle * 100, "memory, idle": subject.memory()}
    connections = [await subject.address.connect() for _ in range(CONNECTIONS)]
    made = [request("POST", PODS, pod(number)) for number in range(objects)]
    updates = [request("PUT", f"{MAPS}/c-{n % 200}", config_map(f"c-{n % 200}", str(n))) for n in range(requests)]
    gets = [request("GET", f"{PODS}/pod-{number % objects}") for number in range(requests * 2)]
    maps = [request("POST", MAPS, config_map(f"c-{number}", "0")) for number in range(200)]
    await pressed(connections, maps)
    for name, wanted in (("create", made), ("get", gets), ("update", updates)):
        found[name], times = await pressed(connections, wanted)
        found[f"{name}, p99"] = percentile(times, 0.99)
    found |= await _mixed(connections, objects, int(500 * seconds))
    found["list of 10,000 pods"] = min([await _listed(connections[0], objects) for _ in range(3)])
    query = "?fieldManager=bench&force=true"
    applied = [request("PATCH", f"{MAPS}/a-{n}{query}", config_map(f"a-{n}", "1"), APPLY) for n in range(1000)]
    found["apply of 1,000 objects"] = 1000 / (await pressed(connections, applied))[0]
    found |= await _watched(subject, connections[0], watchers, int(100 * seconds))
    found["memory, after it"] = subject.memory()
    for one in connections:
        one.close()
    return found


async def _listed(connection: Connection, objects: int) -> float:
    begin = time.perf_counter()
    body = await connection.ask(request("GET", PODS))
    took = (time.perf_counter() - begin) * 1e3
    assert len(json.loads(body)["items"]) == objects
    return took


async def _mixed(connections: Sequence[Connection], objects: int, count: int) -> dict[str, float]:
    """Six reads, two changes, a creation and a list of a sixteenth in ten."""
    free, chance = asyncio.Queue[Connection](), random.Random(1)
    for one in connections:
        free.put_nowait(one)

    def asked(number: int) -> bytes:
        kind, name = number % 10, chance.randrange(objects)
        if kind < 6:
            return request("GET", f"{PODS}/pod-{name}")
        if kind < 8:
            return request("PUT", f"{MAPS}/c-{name % 200}", config_map(f"c-{name % 200}", str(number)))
        if kind == 8:
            return request("POST", MAPS, config_map(f"m-{number}", "1"))
        return request("GET", f"{PODS}?labelSelector=shard%3D{name % 16}&limit=50")

    async def act(number: int) -> None:
        connection = await free.get()
        await connection.ask(asked(number))
        free.put_nowait(connection)

    times = await paced(500, count, act)
    return {f"500 mixed a second, p{share}": percentile(times, share / 100) for share in (50, 99)}


async def _watched(subject: Subject, writer: Connection, watchers: int, count: int) -> dict[str, float]:
    """From the begin of a change to its arrival at each watcher."""
    streams = [
        await subject.address.watch(f"{MAPS}?watch=1&fieldSelector=metadata.name%3Dc-0") for _ in range(watchers)
    ]
    begun: dict[str, float] = {}
    times: list[float] = []

    async def follow(stream: asyncio.StreamReader) -> None:
        await _event(stream)  # what is there already
        for _ in range(count):
            value = json.loads(await _event(stream))["object"]["data"]["key"]
            times.append(time.perf_counter() - begun[value])

    following = [asyncio.ensure_future(follow(one)) for one in streams]
    turn = asyncio.Lock()

    async def act(number: int) -> None:
        async with turn:
            begun[f"w{number}"] = time.perf_counter()
            await writer.ask(request("PUT", f"{MAPS}/c-0", config_map("c-0", f"w{number}")))

    await paced(100, count, act)
    await asyncio.gather(*following)
    for one in streams:
        one.writer.close()  # type: ignore[attr-defined]
    return {f"1,000 watchers, 100 updates a second, p{share}": percentile(times, share / 100) for share in (50, 99)}


async def _event(stream: asyncio.StreamReader) -> bytes:
    """The next line that is one, and not the length of a chunk."""
    while line := await stream.readline():
        if line.startswith(b"{"):
            return line
    raise ConnectionError("the watch has ended")


def measured(folder: Path, quick: bool, rounds: int) -> list[Row]:
    """Each round in an instance of its own. A quick one has fewer objects, and says so by its rows' names alone."""
    sizes = (10_000, 4_000, 200, 4.0) if quick else (10_000, 10_000, 1_000, 10.0)
    samples = []
    for number in range(rounds):
        root, sample = folder / f"k{number}", dict[str, float]()
        root.mkdir()
        with running(root, sample) as subject, undisturbed():
            sample |= asyncio.run(sample_of(subject, *sizes))
        samples.append(("corral", sample))
        shutil.rmtree(root)
    found = collect(samples)
    return [Row(f"kubernetes: {name}", unit, found.get(name, {}), goals) for name, (unit, goals) in ROWS.items()]
