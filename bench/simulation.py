"""`./dev simulate`: how the cost of a cluster grows with its size, with hollow kubelets, on this machine alone.

./dev simulate                                       up to 1,000 nodes and 20,000 pods
./dev simulate --steps 100/2000,2500/50000,5000/100000

The API server, SQLite, the scheduler and all controllers are the real ones, in one process; Deployments make the pods.
Each step adds nodes and pods to those that are there, so each row says what one more costs in a cluster of that size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.hollow.objects import deployment, service
from bench.requests import Address, Connection, request
from bench.results import save
from bench.room import pss
from bench.table import number
from tests.support.distribution import free_port

STEPS = "100/2000,250/5000,500/10000,1000/20000"
REPLICAS = 200
NAMESPACES = 10
PROBES = 20  # a second
CHANGES = 20  # pods that are replaced one by one
BEATS = 50.0  # renewals of leases a second, at most: they are a load of their own
QUIET_SECONDS = 10.0
COLUMNS = {
    "nodes": "",
    "pods": "",
    "bound": "/s",
    "API p50": "ms",
    "API p99": "ms",
    "CPU per 1,000 pods": "s",
    "memory": "MB",
    "per 1,000 pods": "MB",
    "a pod replaced": "ms",
    "CPU of it": "ms",
    "rollout of 200": "s",
    "CPU of the rollout": "s",
    "idle": "% of a core",
    "store": "MB",
}
Row = dict[str, float]


@dataclass(frozen=True)
class Step:
    nodes: int
    pods: int


def parse_steps(text: str) -> list[Step]:
    """Pure. ValueError.

    >>> parse_steps("100/2000,500/10000")
    [Step(nodes=100, pods=2000), Step(nodes=500, pods=10000)]
    """
    pairs = [part.partition("/") for part in text.split(",")]
    return [Step(int(nodes), int(pods)) for nodes, _, pods in pairs]


def plan_beat(nodes: int) -> float:
    """Pure: seconds between two renewals of a lease: kubelets' ten, or longer where they are many.

    >>> plan_beat(100), plan_beat(5000)
    (10.0, 100.0)
    """
    return max(10.0, nodes / BEATS)


def percentile(times: Sequence[float], share: float) -> float:
    """Pure, in milliseconds."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1e3


def table(rows: Sequence[Row]) -> str:
    """Pure: one line each."""
    lines = [[f"{name} ({unit})" if unit else name for name, unit in COLUMNS.items()]]
    lines += [[_cell(row, name, unit) for name, unit in COLUMNS.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(word.rjust(width) for word, width in zip(line, widths, strict=True)) for line in lines)


def _cell(row: Row, name: str, unit: str) -> str:
    return number(row.get(name)) if unit else f"{row[name]:.0f}"


class Process:
    """Another process, and what it has used."""

    def __init__(self, *words: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._place = Path("/proc", str(self._child.pid))

    def line(self) -> str:
        assert self._child.stdout is not None
        found = self._child.stdout.readline()
        if not found:
            raise RuntimeError(f"{self._child.args}: ended")
        return found

    def tell(self, text: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(text)

    def memory(self) -> float:
        return pss((self._place / "smaps_rollup").read_text()) / 1e6

    def cpu(self) -> float:
        """Seconds so far, of all threads."""
        return sum(int(one.read_text().split()[0]) for one in self._place.glob("task/*/schedstat")) / 1e9

    def end(self) -> None:
        self._child.terminate()
        self._child.wait(60)


class Hollow(Process):
    """The kubelets, and what they have told of themselves."""

    def __init__(self, kubeconfig: Path, beat: float) -> None:
        super().__init__("bench.hollow.kubelets", str(kubeconfig), str(beat))
        self.counts = {"nodes": 0, "bound": 0, "running": 0, "gone": 0}
        self._told = asyncio.Condition()

    async def follow(self) -> None:
        while True:
            self.counts = json.loads(await asyncio.to_thread(self.line))
            async with self._told:
                self._told.notify_all()

    async def until(self, what: str, count: int) -> None:
        async with self._told:
            await self._told.wait_for(lambda: self.counts[what] >= count)


@contextmanager
def ending(process: Any) -> Iterator[Any]:
    try:
        yield process
    finally:
        process.end()


class Cluster:
    def __init__(self, folder: Path, server: Process, hollow: Hollow, address: Address) -> None:
        self.folder, self.server, self.hollow, self.address = folder, server, hollow, address
        self._made = 0
        self._pods = 0

    async def open(self) -> None:
        self.connection = await self.address.connect()
        for name in map(_namespace, range(NAMESPACES)):
            await self._ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        await self._until("/api/v1/serviceaccounts?fieldSelector=metadata.name%3Ddefault", _all_accounts)

    async def _ask(self, method: str, path: str, body: Any = None, media: str = "application/json") -> Any:
        return json.loads(await self.connection.ask(request(method, path, body, media)))

    async def step(self, step: Step) -> Row:
        await self._grow(step.nodes)
        row: Row = {"nodes": step.nodes, "pods": step.pods}
        used, before, begin = self.server.cpu(), self.server.memory(), time.perf_counter()
        added, running = step.pods - self._pods, self.hollow.counts["running"]
        async with probing(self.address) as times:
            await self._deploy(added)
            await self.hollow.until("running", running + added)
        row["bound"] = added / (time.perf_counter() - begin)
        row["API p50"], row["API p99"] = percentile(times, 0.5), percentile(times, 0.99)
        await self._until("/apis/apps/v1/deployments", _all_ready)
        row["CPU per 1,000 pods"] = (self.server.cpu() - used) / added * 1e3
        self._pods = step.pods
        await self._quiet()
        row["memory"] = self.server.memory()
        row["per 1,000 pods"] = (row["memory"] - before) / added * 1e3
        row |= await self._replaced()
        row |= await self._rolled_out()
        row["idle"] = await self._idle()
        row["store"] = sum(one.stat().st_size for one in self.folder.glob("cluster.db*")) / 1e6
        return row

    async def _grow(self, nodes: int) -> None:
        self.hollow.tell(f"{nodes}\n")
        await self.hollow.until("nodes", nodes)
        await self._quiet()

    async def _deploy(self, pods: int) -> None:
        while pods:
            count = min(pods, REPLICAS)
            namespace = _namespace(self._made)
            name = f"app-{self._made}"
            await self._ask("POST", f"/api/v1/namespaces/{namespace}/services", service(name, namespace))
            made = deployment(name, namespace, count)
            await self._ask("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", made)
            self._made, pods = self._made + 1, pods - count

    async def _until(self, path: str, fits: Callable[[Sequence[Any]], bool]) -> None:
        """The items of a list are as they are to be."""
        while True:
            if fits((await self._ask("GET", path))["items"]):
                return
            await asyncio.sleep(0.5)

    async def _quiet(self) -> None:
        """The server has come to rest, but for what it does all the time."""
        used = self.server.cpu()
        for _ in range(60):
            await asyncio.sleep(1)
            before, used = used, self.server.cpu()
            if used - before < 0.25:
                return

    async def _replaced(self) -> Row:
        namespace = _namespace(0)
        found = await self._ask("GET", f"/api/v1/namespaces/{namespace}/pods?limit={CHANGES}")
        used, times = self.server.cpu(), []
        for pod in found["items"]:
            running, begin = self.hollow.counts["running"], time.perf_counter()
            await self._ask("DELETE", f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}")
            await self.hollow.until("running", running + 1)
            times.append(time.perf_counter() - begin)
        await self._quiet()
        took = percentile(times, 0.5)
        return {"a pod replaced": took, "CPU of it": (self.server.cpu() - used) / len(times) * 1e3}

    async def _rolled_out(self) -> Row:
        namespace = _namespace(0)
        gone, used, begin = self.hollow.counts["gone"], self.server.cpu(), time.perf_counter()
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/app-0"
        change = {"spec": {"template": {"metadata": {"annotations": {"edition": str(begin)}}}}}
        found = await self._ask("PATCH", path, change, "application/merge-patch+json")
        await self.hollow.until("gone", gone + found["spec"]["replicas"])
        await self._until("/apis/apps/v1/deployments", _all_ready)
        took = time.perf_counter() - begin
        return {"rollout of 200": took, "CPU of the rollout": self.server.cpu() - used}

    async def _idle(self) -> float:
        await self._quiet()
        used = self.server.cpu()
        await asyncio.sleep(QUIET_SECONDS)
        return (self.server.cpu() - used) / QUIET_SECONDS * 100


def _all_accounts(accounts: Sequence[Any]) -> bool:
    return {_namespace(number) for number in range(NAMESPACES)} <= {one["metadata"]["namespace"] for one in accounts}


def _all_ready(deployments: Sequence[Any]) -> bool:
    return all(one["spec"]["replicas"] == one.get("status", {}).get("readyReplicas") for one in deployments)


def _namespace(number: int) -> str:
    return f"team-{number % NAMESPACES}"


@asynccontextmanager
async def probing(address: Address) -> AsyncIterator[list[float]]:
    """Requests of one client while others work: seconds of each. Reads, writes, and lists of a page."""
    connection, times = await address.connect(), list[float]()
    task = asyncio.ensure_future(_probe(connection, times))
    try:
        yield times
    finally:
        task.cancel()
        connection.close()


async def _probe(connection: Connection, times: list[float]) -> None:
    maps = "/api/v1/namespaces/default/configmaps"
    turn = 0
    while True:
        asked = (
            request("GET", "/api/v1/namespaces/default"),
            request("POST", maps, {"metadata": {"generateName": "probe-"}}),
            request("GET", f"/api/v1/namespaces/{_namespace(0)}/pods?limit=50"),
            request("GET", "/apis/apps/v1/namespaces/team-0/deployments?limit=50"),
        )[turn % 4]
        turn += 1
        begin = time.perf_counter()
        await connection.ask(asked)
        times.append(time.perf_counter() - begin)
        await asyncio.sleep(max(0.0, 1 / PROBES - times[-1]))


async def simulate(folder: Path, steps: Sequence[Step]) -> list[Row]:
    """A row for each step; shown as they come. RuntimeError: the server or the kubelets have ended."""
    beat, port = plan_beat(max(step.nodes for step in steps)), free_port()
    grace = 40 if beat == 10 else int(beat * 4)
    with ending(Process("bench.hollow.server", str(folder), str(port), str(grace))) as server:
        server.line()
        with ending(Hollow(folder / "run/kubeconfig", beat)) as hollow:
            async with asyncio.TaskGroup() as group:
                following = group.create_task(hollow.follow())
                cluster = Cluster(folder, server, hollow, Address(folder / "run/kubeconfig"))
                await cluster.open()
                print(f"a lease is renewed every {beat:.0f} s; the server has {server.memory():.0f} MB", flush=True)
                rows = await _climb(cluster, steps)
                following.cancel()
            return rows


async def _climb(cluster: Cluster, steps: Sequence[Step]) -> list[Row]:
    rows: list[Row] = []
    for step in steps:
        begin = time.perf_counter()
        rows.append(await cluster.step(step))
        print(f"\n{table(rows)}\n({time.perf_counter() - begin:.0f} s)", flush=True)
    return rows


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./dev simulate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=parse_steps, default=parse_steps(STEPS), help="NODES/PODS,… (%(default)s)")
    parser.add_argument("--folder", default="/var/tmp", help="where the store is meanwhile (%(default)s)")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="corral-simulation-", dir=chosen.folder) as folder:
        rows = asyncio.run(simulate(Path(folder), chosen.steps))
    print(f"All of it: {save('simulation', {'columns': COLUMNS, 'rows': rows})}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
