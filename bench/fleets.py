"""Fleets: how soon declared pods run, run again, and are replaced; and what the platform costs while nothing happens.

What is timed ends when a client's watch has told it. Beside the rollout stands a service update of dockerd's swarm.
"""

from __future__ import annotations

import json
import math
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.engines import IMAGE, Dockerd
from bench.room import HEARTBEATS, at_rest, pss, undisturbed
from bench.statistics import Row, Target, collect
from corral.testing import Isolated
from demo.herd import Api, Herd
from tests.support.images import busybox_rootfs

Object = dict[str, Any]

PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
FLEET = 20  # replicas that are replaced
MANY = 100
LONGEST = 120.0  # seconds that anything may take
ROWS = {
    "platform, idle": ("MB", (Target("most", 150),)),
    "platform's processor, idle": ("% of a core", (Target("most", 1),)),
    "up to first pod Running": ("s", (Target("most", 1.5),)),
    "apply to Running, half of them": ("ms", (Target("most", 150),)),
    "apply to Running, 99 of 100": ("ms", (Target("most", 1000),)),
    "crash to restarted": ("ms", (Target("most", 150),)),
    f"{MANY} pods Running": ("s", (Target("most", 6),)),
    f"rollout of {FLEET} replicas": ("s", ()),
}


def kinds() -> Sequence[str]:
    """Whom the rows are about: swarm only where there is a dockerd."""
    return ("corral", "swarm") if not Dockerd.missing() else ("corral",)


def percentile(values: Sequence[float], share: float) -> float:
    """Pure: the smallest value that so many do not exceed.

    >>> percentile([4.0, 1.0, 2.0, 3.0], 0.5), percentile([4.0, 1.0, 2.0, 3.0], 0.99)
    (2.0, 4.0)
    """
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def pod(name: str) -> Object:
    """One that sleeps, and whose end nobody waits for."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": _spec()}


def _spec() -> Object:
    main = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "100000"]}
    return {"terminationGracePeriodSeconds": 0, "containers": [main]}


def deployment() -> Object:
    labels = {"app": "fleet"}
    template = {"metadata": {"labels": labels}, "spec": _spec()}
    spec = {"replicas": FLEET, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fleet"}, "spec": spec}


def is_running(found: Object, restarts: int = 0) -> bool:
    """Pure: whether all its containers run, each for the so-many-th time.

    >>> is_running({"status": {"containerStatuses": [{"state": {"running": {}}, "restartCount": 1}]}}, 1)
    True
    """
    statuses = found.get("status", {}).get("containerStatuses", ())
    return bool(statuses) and all("running" in one["state"] and one["restartCount"] == restarts for one in statuses)


def is_rolled_out(found: Object) -> bool:
    """Pure: whether all replicas are of the newest template, and no others are left."""
    status = found.get("status", {})
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    return seen and all(status.get(key) == FLEET for key in ("replicas", "updatedReplicas", "availableReplicas"))


class Watcher(Herd):
    """`until` returns as soon as what the watch has told fits."""

    def __init__(self, api: Api, path: str) -> None:
        self._told = threading.Condition()
        super().__init__(api, path)

    def _take(self, event: Object) -> None:
        super()._take(event)
        with self._told:
            self._told.notify_all()

    def until(self, fits: Callable[[list[Object]], bool]) -> None:
        """:raises RuntimeError: it never did."""
        with self._told:
            if not self._told.wait_for(lambda: fits(self.pods()), LONGEST):
                raise RuntimeError("corral: not within two minutes")


class Platform:
    """One instance with the image, spoken to by HTTPS."""

    def __init__(self, corral: Isolated) -> None:
        self.corral = corral
        self.api = Api(corral.kubeconfig)
        with tempfile.NamedTemporaryFile(suffix=".tar") as tar:
            tar.write(busybox_rootfs())
            tar.flush()
            corral.corral("import", tar.name, IMAGE)
        self.reconnect()
        while self.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default").get("kind") != "ServiceAccount":
            time.sleep(0.05)

    def reconnect(self) -> None:
        """After the daemon was started again."""
        self._connection = self.api.connect()

    def ask(self, method: str, path: str, body: Object | None = None, media: str = "application/json") -> Object:
        self._connection.request(method, path, body and json.dumps(body), {"Content-Type": media})
        answer: Object = json.loads(self._connection.getresponse().read())
        return answer

    def watch(self, path: str) -> Watcher:
        return Watcher(self.api, path)

    def clear(self, watcher: Watcher) -> None:
        self.ask("DELETE", f"{PODS}?gracePeriodSeconds=0")
        watcher.until(lambda pods: not pods)

    def cpu(self) -> float:
        """Seconds of a core that the daemon has used so far."""
        threads = Path(f"/proc/{self.corral.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def idle(platform: Platform, seconds: float) -> dict[str, float]:
    """After its start has come to rest, and over some of the node's heartbeats."""
    seconds = max(seconds, HEARTBEATS)
    at_rest(platform.cpu)
    before = platform.cpu()
    time.sleep(seconds)
    used = platform.cpu() - before
    memory = pss(Path(f"/proc/{platform.corral.pid}/smaps_rollup").read_text()) / 1e6
    return {"platform, idle": memory, "platform's processor, idle": used / seconds * 100}


def first_pod(platform: Platform, number: int) -> dict[str, float]:
    """From `corral up` of an instance that has the image."""
    platform.corral.corral("down")
    begin = time.perf_counter()
    platform.corral.start()
    platform.reconnect()
    watcher = platform.watch(PODS)
    platform.ask("POST", PODS, pod(f"first-{number}"))
    watcher.until(lambda pods: any(is_running(one) for one in pods))
    took = time.perf_counter() - begin
    platform.clear(watcher)
    return {"up to first pod Running": took}


def one_a_second(platform: Platform, count: int) -> dict[str, float]:
    watcher, times = platform.watch(PODS), []
    for number in range(count):
        name, begin = f"steady-{number}", time.perf_counter()
        platform.ask("POST", PODS, pod(name))
        watcher.until(lambda pods, name=name: any(is_running(one) for one in pods if one["metadata"]["name"] == name))  # type: ignore[misc]
        times.append((time.perf_counter() - begin) * 1e3)
        time.sleep(max(0.0, begin + 1 - time.perf_counter()))
    platform.clear(watcher)
    return {
        "apply to Running, half of them": percentile(times, 0.5),
        "apply to Running, 99 of 100": percentile(times, 0.99),
    }


def crash(platform: Platform, number: int) -> dict[str, float]:
    """From the kill of a container's process until it is told that it runs again."""
    watcher = platform.watch(PODS)
    platform.ask("POST", PODS, pod(f"crash-{number}"))
    watcher.until(lambda pods: any(is_running(one) for one in pods))
    id = watcher.pods()[0]["status"]["containerStatuses"][0]["containerID"].removeprefix("corral://")
    pid = int(platform.corral.corral("inspect", "--format", "{{.State.Pid}}", id))
    begin = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    watcher.until(lambda pods: any(is_running(one, restarts=1) for one in pods))
    took = (time.perf_counter() - begin) * 1e3
    platform.clear(watcher)
    return {"crash to restarted": took}


def many(platform: Platform) -> dict[str, float]:
    watcher = platform.watch(PODS)
    begin = time.perf_counter()
    for number in range(MANY):
        platform.ask("POST", PODS, pod(f"many-{number}"))
    watcher.until(lambda pods: sum(is_running(one) for one in pods) == MANY)
    took = time.perf_counter() - begin
    platform.clear(watcher)
    return {f"{MANY} pods Running": took}


def rollout(platform: Platform) -> dict[str, float]:
    watcher, pods = platform.watch(DEPLOYMENTS), platform.watch(PODS)
    platform.ask("POST", DEPLOYMENTS, deployment())
    watcher.until(lambda found: any(is_rolled_out(one) for one in found))
    before = watcher.pods()[0]["metadata"]["generation"]
    change = {"spec": {"template": {"metadata": {"annotations": {"edition": "2"}}}}}
    begin = time.perf_counter()
    platform.ask("PATCH", f"{DEPLOYMENTS}/fleet", change, "application/merge-patch+json")
    watcher.until(lambda found: any(one["metadata"]["generation"] > before and is_rolled_out(one) for one in found))
    took = time.perf_counter() - begin
    platform.ask("DELETE", f"{DEPLOYMENTS}/fleet")
    pods.until(lambda found: not found)
    return {f"rollout of {FLEET} replicas": took}


def swarm(folder: Path, repeat: int) -> Iterator[dict[str, float]]:
    """The same in dockerd's words: new ones first, a quarter of them at a time."""
    with Dockerd(folder) as docker:
        docker.cli("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377")
        words = ["--no-resolve-image", "--replicas", str(FLEET), "--stop-grace-period", "0s"]
        order = ["--update-order", "start-first", "--update-parallelism", str(FLEET // 4), "--update-monitor", "0s"]
        for number in range(repeat):
            name = f"fleet{number}"
            docker.cli("service", "create", "--quiet", "--name", name, *words, *order, IMAGE, "sleep", "100000")
            begin = time.perf_counter()
            docker.cli("service", "update", "--quiet", "--no-resolve-image", "--env-add", "EDITION=2", name)
            yield {f"rollout of {FLEET} replicas": time.perf_counter() - begin}
            docker.cli("service", "rm", name)


@contextmanager
def _platform() -> Iterator[Platform]:
    with Isolated() as corral:
        yield Platform(corral)


def measured(folder: Path, seconds: float, repeat: float) -> list[Row]:
    """`seconds` of idling; `repeat` scales how many samples are taken."""
    samples: list[tuple[str, Mapping[str, float]]] = []
    with _platform() as platform, undisturbed():
        samples.append(("corral", idle(platform, seconds)))
        for number in range(max(1, round(5 * repeat))):
            samples.append(("corral", first_pod(platform, number)))
            samples.append(("corral", crash(platform, number)))
        samples.append(("corral", one_a_second(platform, max(5, round(60 * repeat)))))
        for _ in range(max(1, round(3 * repeat))):
            samples += [("corral", many(platform)), ("corral", rollout(platform))]
    if "swarm" in kinds():
        try:
            samples += [("swarm", one) for one in swarm(folder / "swarm", max(1, round(3 * repeat)))]
        except (RuntimeError, OSError) as error:
            print(f"Without swarm: {error}")
    found = collect(samples)
    return [Row(name, unit, found.get(name, {}), targets) for name, (unit, targets) in ROWS.items()]
