"""`python -m bench.hollow.kubelets KUBECONFIG BEAT`: as many hollow kubelets as the numbers on standard input say.

Each registers its node, renews its lease every BEAT seconds, watches the pods of its node as a real one does, says
of each new one that it runs, and takes away those that are to end. All write as the administrator, by connections that
they share. Tells on standard output, in lines of JSON: `nodes` that are there, pods that were seen `bound`, are
`running`, are `gone`, all counted from the beginning.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.hollow.objects import lease, node, node_name, running
from bench.hollow.server import all_descriptors
from bench.requests import Address, Connection, request

Object = dict[str, Any]

WRITERS = 24  # connections for pods
# … and for nodes and their leases: one that waited behind others for long would be a lost node
BEATERS = 64
TELL_SECONDS = 0.1
REGISTERING = 16  # nodes at once
STRATEGIC = "application/strategic-merge-patch+json"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def now(digits: str = "seconds") -> str:
    return datetime.now(UTC).isoformat(timespec=digits).replace("+00:00", "Z")


class Fleet:
    def __init__(self, address: Address, beat: float) -> None:
        self._address, self._beat = address, beat
        self._free, self._beaters = asyncio.Queue[Connection](), asyncio.Queue[Connection]()
        self._tasks = set[asyncio.Task[None]]()
        self._registering = asyncio.Semaphore(REGISTERING)
        self._seen = set[str]()
        self.counts = {"nodes": 0, "bound": 0, "running": 0, "gone": 0}

    async def open(self) -> None:
        for pool, count in ((self._free, WRITERS), (self._beaters, BEATERS)):
            for _ in range(count):
                pool.put_nowait(await self._address.connect())

    async def _write(self, data: bytes) -> Object:
        return await self._ask(self._free, data)

    async def _ask(self, pool: asyncio.Queue[Connection], data: bytes) -> Object:
        connection = await pool.get()
        try:
            return msgspec.json.decode(await connection.ask(data), type=dict[str, Any])
        finally:
            pool.put_nowait(connection)

    def start(self, number: int) -> None:
        self._begin(self._run(number))

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            raise SystemExit(f"a hollow kubelet failed: {task.exception()!r}")

    async def _run(self, number: int) -> None:
        async with self._registering:
            await self._ask(self._beaters, request("POST", "/api/v1/nodes", node(number, now())))
            held = await self._ask(self._beaters, request("POST", LEASES, lease(number, now("microseconds"))))
            path = f"/api/v1/pods?watch=1&allowWatchBookmarks=1&fieldSelector=spec.nodeName%3D{node_name(number)}"
            stream = await self._address.watch(path)
        self.counts["nodes"] += 1
        self._begin(self._renew(number, held))
        while line := await stream.readline():
            if line.startswith(b"{"):
                event = msgspec.json.decode(line, type=dict[str, Any])
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._see(event["object"])
                elif event["type"] == "ERROR":
                    raise RuntimeError(str(event))

    def _see(self, pod: Object) -> None:
        uid, ending = pod["metadata"]["uid"], "deletionTimestamp" in pod["metadata"]
        if ending and f"{uid} ends" not in self._seen:
            self._seen.add(f"{uid} ends")
            self._begin(self._end(pod))
        elif not ending and uid not in self._seen:
            self._seen.add(uid)
            self.counts["bound"] += 1
            self._begin(self._confirm(pod))

    async def _confirm(self, pod: Object) -> None:
        patch = running(pod, len(self._seen), now())
        try:
            await self._write(request("PATCH", f"{_path(pod)}/status", patch, STRATEGIC))
        except AssertionError as error:
            if error.args[0][0] == 404:  # it is gone again
                return
            raise
        self.counts["running"] += 1

    async def _end(self, pod: Object) -> None:
        await self._write(request("DELETE", f"{_path(pod)}?gracePeriodSeconds=0"))
        self.counts["gone"] += 1

    async def _renew(self, number: int, held: Object) -> None:
        due = time.monotonic() + self._beat * (number % 97) / 97
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += self._beat
            held["spec"]["renewTime"] = now("microseconds")
            held = await self._ask(self._beaters, request("PUT", f"{LEASES}/{node_name(number)}", held))


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


async def main(kubeconfig: str, beat: str) -> None:
    fleet = Fleet(Address(Path(kubeconfig)), float(beat))
    await fleet.open()
    asyncio.get_running_loop().create_task(_grow(fleet)).add_done_callback(lambda _: None)
    told: dict[str, int] = {}
    while True:
        if fleet.counts != told:
            told = dict(fleet.counts)
            print(json.dumps(told), flush=True)
        await asyncio.sleep(TELL_SECONDS)


async def _grow(fleet: Fleet) -> None:
    count = 0
    while line := await asyncio.to_thread(sys.stdin.readline):
        for number in range(count, int(line)):
            fleet.start(number)
        count = max(count, int(line))


if __name__ == "__main__":
    all_descriptors()
    asyncio.run(main(*sys.argv[1:]))
