"""Rollouts under load while containers are killed and the daemon is, at random.

What must hold: clients lose nothing but connections to containers that were killed; never are fewer pods available
than the Deployment allows, but for those that were killed; all converges, and nothing stays behind.
"""

from __future__ import annotations

import math
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from corral.errors import HostError
from corral.testing import Isolated
from demo.herd import Api, Herd
from demo.load import Load
from demo.picture import LEAVING, READY, mark
from tests.support.fleet import KUBECTL, Fleet, Space, asked, web
from tests.support.instance import SETTINGS, Instance
from tests.support.wait import PATIENCE, eventually

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.ahead.with_args(KUBECTL)]

SEED = int(os.environ.get("CORRAL_CHAOS_SEED", "6"))
SECONDS = float(os.environ.get("CORRAL_CHAOS_SECONDS", "20"))
REPLICAS = 4
NOTICE = 1.0 * PATIENCE  # seconds after which nobody counts on a container that is known to have been killed
Failure = tuple[float, float, str]  # when it was asked, when it had failed, why
PODS = "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb"


def unexplained(lost: Sequence[Failure], kills: Sequence[tuple[float, float]]) -> list[Failure]:
    """The failed requests that no kill explains: none was under way, or had just been. Pure.

    >>> unexplained([(1.0, 1.2, "reset"), (9.0, 9.1, "refused")], [(1.1, 1.3)])
    [(9.0, 9.1, 'refused')]
    """
    return [one for one in lost if not any(begin <= one[1] and one[0] <= end + NOTICE for begin, end in kills)]


@dataclass
class Kill:
    """A container is killed at `begin`; at `known` the API says so of its pod. How long that takes is the machine's."""

    pod: str
    container: str
    begin: float
    known: float = math.inf
    good: bool = False  # there are as many pods again as there should be

    def notice(self, pod: dict[str, Any] | None, now: float) -> None:
        if self.known == math.inf and (pod is None or mark(pod) == LEAVING or not self.runs_in(pod)):
            self.known = now

    def runs_in(self, pod: dict[str, Any]) -> bool:
        """As far as the API knows; of a pod that has just begun it knows nothing yet."""
        return container_of(pod) in ("", self.container) and not ended(pod)


def ended(pod: dict[str, Any]) -> bool:
    return any("terminated" in one["state"] for one in statuses(pod))


def container_of(pod: dict[str, Any]) -> str:
    return "".join(one.get("containerID", "") for one in statuses(pod)).removeprefix("corral://")


def statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pod.get("status", {}).get("containerStatuses") or []
    return found


class Witness(Herd):
    """Counts the available pods at every change."""

    def __init__(self, api: Api, path: str) -> None:
        self.kills: list[Kill] = []
        self.too_few: list[str] = []
        super().__init__(api, path)

    def _take(self, event: dict[str, Any]) -> None:
        super()._take(event)
        pods = {pod["metadata"]["name"]: pod for pod in self.pods()}
        available = sum(mark(pod) == READY for pod in pods.values())
        now, kills = time.monotonic(), list(self.kills)
        for kill in kills:
            kill.notice(pods.get(kill.pod), now)
        if available < REPLICAS - sum(not kill.good for kill in kills):
            marks = " ".join(f"{name} {mark(one)}" for name, one in pods.items())
            ago = ", ".join(f"{one.pod} {now - one.begin:.2f} s ago, known {now - one.known:.2f}" for one in kills)
            name = event["object"]["metadata"]["name"]
            self.too_few.append(f"{available} are available after {event['type']} {name}: {marks}; killed: {ago}")
        if available >= REPLICAS:
            for kill in kills:
                kill.good = kill.known + NOTICE < now  # what was decided without knowing of it has been done too

    def spans(self) -> list[tuple[float, float]]:
        """From when to when containers were being killed."""
        return [(kill.begin, kill.known) for kill in self.kills]


class Chaos:
    """`act` does one thing. Each is paced by what clients get answered, not by a clock."""

    def __init__(self, space: Space, load: Load, witness: Witness) -> None:
        self._random = random.Random(SEED)
        self._space, self._load, self._witness = space, load, witness
        self._hurt: set[str] = set()  # once each: a second time it waits for its back-off
        self.version = 1
        self.done: list[str] = []

    def act(self) -> None:
        action = self._random.choice((self.roll, self.roll, self.kill_container, self.kill_container, self.kill_daemon))
        self.done.append(action.__name__)
        action()
        asked(self._load, self._random.randrange(20, 300))

    def roll(self) -> None:
        self.version += 1
        self._space.apply(web(self.version, replicas=REPLICAS))

    def kill_container(self) -> None:
        chosen = [pod for pod in self._space.pods() if mark(pod) == READY and pod["metadata"]["name"] not in self._hurt]
        if chosen:
            pod = self._random.choice(sorted(chosen, key=lambda one: str(one["metadata"]["name"])))
            self._hurt.add(pod["metadata"]["name"])
            container = container_of(pod)
            self._witness.kills.append(Kill(pod["metadata"]["name"], container, time.monotonic()))
            try:
                self.engine_of(pod)("kill", container)
            except HostError as error:  # a rollout was faster
                assert re.search("is not running|[Nn]o such container", error.message), error.message

    def engine_of(self, pod: dict[str, Any]) -> Callable[..., object]:
        """The command `corral` for the engine that runs the pod."""
        return self._space.fleet.corral.corral

    def kill_daemon(self) -> None:
        self._space.fleet.corral.kill()
        gone = time.monotonic()
        asked(self._load, self._random.randrange(10, 100))
        self._space.fleet.corral.start()
        now = time.monotonic()
        for kill in self._witness.kills:  # what was known just before may have reached no proxy of the old daemon
            if gone - NOTICE < kill.known < now:
                kill.known = now


def test_a_fleet_lives_through_it() -> None:
    with Isolated() as corral:
        subject, space = Instance(corral.root), Space(Fleet(corral), "default")
        (corral.root / "config.toml").write_text(SETTINGS)  # for the end
        before = subject.settled()
        space.apply(web(1, replicas=REPLICAS))
        space.rolled_out("deployment/web")
        witness = Witness(Api(corral.kubeconfig), PODS)
        with Load((space.cluster_ip(), 80), PATIENCE) as load:
            chaos = Chaos(space, load, witness)
            end = time.monotonic() + SECONDS * PATIENCE
            while time.monotonic() < end:
                chaos.act()
            chaos.roll()
            space.rolled_out("deployment/web")
            failed = load.failed
            asked(load, 300)
            story = f"seed {SEED}: {', '.join(chaos.done)}; {load.total} requests, {load.failures}"
            assert load.failed == failed, f"all is well again: {story}"
        print(story)
        assert unexplained(load.lost, witness.spans()) == [], story
        assert witness.too_few == [], story
        assert {"roll", "kill_container", "kill_daemon"} <= set(chaos.done), story
        commands = [pod["spec"]["containers"][0]["command"][2] for pod in space.pods() if mark(pod) == READY]
        assert len([one for one in commands if f"version-{chaos.version} " in one]) == len(commands) == REPLICAS, story
        space.ok("delete", "deployment,service", "web")
        eventually(lambda: subject.settled() == before, subject.unsettled, seconds=20)
        corral.corral("down", "--all")
        eventually(
            lambda: not any(vars(subject.footprint()).values()), lambda: f"leaks: {subject.footprint()}; {story}"
        )
        assert subject.leftovers() == []
