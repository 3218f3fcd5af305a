"""The same with two nodes and an etcd: the store's process is killed, a node's is, and a node's network is cut off.

What must hold is what test_chaos says. Who is killed beside the pods costs no request: what has been set up goes on
without them. A node that is cut off takes its pods along, until the others know of it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corral.testing import Isolated
from demo.herd import Api
from demo.load import Load
from demo.picture import READY, mark
from tests.compat.fleets.test_chaos import PODS, REPLICAS, SEED, Chaos, Kill, Witness, unexplained
from tests.support.etcd import EtcdServer
from tests.support.fleet import KUBECTL, Fleet, Space, asked, web
from tests.support.instance import SETTINGS, Instance
from tests.support.wait import PATIENCE, eventually
from tests.system.test_node_loss import Network

pytestmark = [
    pytest.mark.root, pytest.mark.slow, pytest.mark.peers, pytest.mark.timeout(900),
    pytest.mark.ahead.with_args(KUBECTL),
]  # fmt: skip

GRACE = math.ceil(15 * PATIENCE)  # seconds; no node of a busy machine is taken for lost


class Cut(Kill):
    """A pod that is out of reach with its node, whichever: until the node is back and all are well."""

    def notice(self, pod: dict[str, Any] | None, now: float) -> None:
        """Nothing that is said of a pod ends it."""


class Machines(Chaos):
    """Every action at least once, in an order that the seed gives, and new versions all the time."""

    def __init__(self, space: Space, load: Load, witness: Witness, etcd: EtcdServer) -> None:
        super().__init__(space, load, witness)
        self._etcd = etcd
        self._second = Instance(space.fleet.corral.root / "nodes/2")
        second = lambda: next((name for name in self._nodes() if name.endswith("-2")), "")  # noqa: E731
        self._name = eventually(second, "the second node has registered", seconds=60)
        once = [self.kill_daemon, self.kill_node, self.cut_node, self.kill_container]
        self.left = [self.kill_store, self.kill_store, *once]
        self._random.shuffle(self.left)
        self._begin = time.monotonic()

    def act(self) -> None:
        action = self.left.pop()
        self.roll()
        asked(self._load, self._random.randrange(1, 100))
        begin = time.monotonic()
        action()
        self.done.append(f"{action.__name__} {begin - self._begin:.1f}-{time.monotonic() - self._begin:.1f}")
        asked(self._load, self._random.randrange(20, 300))

    def story(self) -> str:
        lost = [
            (round(begin - self._begin, 1), round(end - self._begin, 1), why) for begin, end, why in self._load.lost
        ]
        return f"seed {SEED}: {', '.join(self.done)}; {self._load.total} requests; lost: {lost}"

    def engine_of(self, pod: dict[str, Any]) -> Callable[..., object]:
        on_second = pod["spec"]["nodeName"] == self._name
        return self._second.corral if on_second else super().engine_of(pod)

    def kill_store(self) -> None:
        self._etcd.kill()
        asked(self._load, self._random.randrange(10, 1000))
        self._etcd.start()
        self._until_served()

    def kill_daemon(self) -> None:
        super().kill_daemon()
        self._until_served()

    def kill_node(self) -> None:
        """Kubelet, proxy and engine of a node; its pods go on, and the first daemon starts it again."""
        before = self._second.pid
        self._second.kill_daemon()
        asked(self._load, self._random.randrange(10, 100))
        ready = re.compile(rf"{self._name} is ready \(pid (?!{before}\))\d+\)")
        eventually(lambda: ready.search(self._status()), "the node is started again", seconds=60)

    def _status(self) -> str:
        return self._space.fleet.corral.corral("status")

    def cut_node(self) -> None:
        """Until all know of it, and are served by the rest; then it comes back."""
        network = Network(self._second.root)
        # What the cut takes away is what is there, and what the rollout under way still puts there.
        begin = time.monotonic()
        cut = [Cut("", "", begin) for _ in range(REPLICAS)]
        self._witness.kills += cut
        network.ip("link", "set", "eth0", "down")
        eventually(lambda: self._nodes()[self._name] == "Unknown", "the node is missed", seconds=4 * GRACE)
        eventually(lambda: self._served(100), "the others serve", seconds=60)
        network.ip("link", "set", "eth0", "up")
        eventually(lambda: self._nodes()[self._name] == "True", "the node is back", seconds=60)
        eventually(lambda: self._ready() >= REPLICAS, "all are back", seconds=60)
        for kill in cut:
            kill.known = time.monotonic()

    def _served(self, count: int) -> bool:
        """Whether so many requests have been answered, and none was lost meanwhile."""
        before = self._load.failed
        asked(self._load, count)
        return self._load.failed == before

    def _nodes(self) -> dict[str, str]:
        """The status of each node's condition Ready."""
        found = {}
        for node in self._space.get("nodes")["items"]:
            ready = [one["status"] for one in node["status"].get("conditions", ()) if one["type"] == "Ready"]
            found[node["metadata"]["name"]] = "".join(ready)
        return found

    def _ready(self) -> int:
        return sum(mark(pod) == READY for pod in self._space.pods())

    def _until_served(self) -> None:
        """Whoever asks the API meanwhile is told to come again."""
        served = lambda: self._space.kubectl("get", "--raw", "/readyz", check=False).returncode == 0  # noqa: E731
        eventually(served, "the API server has found its store", seconds=60)


def test_a_fleet_lives_through_the_loss_of_machines_and_of_the_store(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as etcd, Isolated(*flags(etcd)) as corral:
        parts = [Instance(corral.root), Instance(corral.root / "nodes/2")]
        (corral.root / "config.toml").write_text(SETTINGS)  # for the end
        space = Space(Fleet(corral), "default")
        before = [one.settled() for one in parts]
        space.apply(web(1, replicas=REPLICAS))
        space.rolled_out("deployment/web")
        witness = Witness(Api(corral.kubeconfig), PODS)
        with Load((space.cluster_ip(), 80), PATIENCE) as load:
            chaos = Machines(space, load, witness, etcd)
            while chaos.left:
                chaos.act()
            chaos.roll()
            space.rolled_out("deployment/web")
            well = time.monotonic()
            asked(load, 300)
            story = chaos.story()
            assert not [one for one in load.lost if one[0] > well], f"all is well again: {story}"
        print(story)
        assert unexplained(load.lost, witness.spans()) == [], story
        assert witness.too_few == [], story
        commands = [pod["spec"]["containers"][0]["command"][2] for pod in space.pods() if mark(pod) == READY]
        assert len([one for one in commands if f"version-{chaos.version} " in one]) == len(commands) == REPLICAS, story
        space.ok("delete", "deployment,service", "web")
        eventually(lambda: [one.settled() for one in parts] == before, lambda: parts[0].unsettled(), seconds=20)
        corral.corral("down", "--all")
        for one in parts:
            eventually(lambda one=one: not any(vars(one.footprint()).values()), lambda: f"leaks; {story}")
            assert one.leftovers() == []


def flags(etcd: EtcdServer) -> list[str]:
    subnet = "--kubernetes-service-subnet=10.127.0.0/16"
    return [f"--store=etcd://{etcd.endpoint}", "--nodes=2", f"--kubernetes-node-grace={GRACE}", subnet]
