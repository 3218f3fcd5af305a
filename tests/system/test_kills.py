"""SIGKILL at random moments of a random workload: nothing that was acknowledged is lost, and nothing leaks.

After each kill (`tests.support.kills`) the *ledger* of everything that was acknowledged is compared with what the
daemon now knows. CORRAL_KILLS sets the number of kills: 300 in CI, where each run has a seed of its own, 20 elsewhere;
they take some five minutes.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.conftest import IN_CI
from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.instance import Instance, instance
from tests.support.kills import failures_of_threads, kill_amid, seeded, told, until_killed
from tests.support.wait import eventually

KILLS = int(os.environ.get("CORRAL_KILLS") or (300 if IN_CI else 20))
ROUND = (0.02, 0.45)  # seconds of work before a kill
WORKERS = 3
KEPT = 12  # containers to carry from round to round

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(120 + 6 * KILLS)]

# It writes numbered lines, then ends with its own code: so lost lines and lost codes can be told.
SCRIPT = "i=0; while [ $i -lt {lines} ]; do echo line $i; i=$((i+1)); done; sleep {seconds}; exit {code}"


@dataclass
class Entry:
    """What is known for sure of one container. `None` for "asked for, but no answer came": either is right."""

    id: str
    name: str
    code: int
    lines: int
    started: bool | None = False
    stopped: bool | None = False  # by us, so that its code may be another
    exit_code: int | None = None  # acknowledged by a wait
    renamed: str = ""  # asked for, not acknowledged


@dataclass
class Ledger:
    """Everything acknowledged, and what is in doubt."""

    containers: dict[str, Entry] = field(default_factory=dict)
    removing: set[str] = field(default_factory=set)  # ids whose removal has no answer
    removed: set[str] = field(default_factory=set)  # ids whose removal was acknowledged
    lock: threading.Lock = field(default_factory=threading.Lock)


class Worker:
    """Sends random requests until the daemon is gone."""

    def __init__(self, engine: Endpoint, ledger: Ledger, seed: int) -> None:
        self.engine, self.ledger, self.random = engine, ledger, random.Random(seed)
        self.actions: list[tuple[int, Callable[[], None]]] = [
            (5, self.create),
            (8, self.start),
            (3, self.stop),
            (4, self.wait),
            (3, self.remove),
            (2, self.execute),
            (1, self.rename),
            (1, self.pause),
            (1, self.read_logs),
        ]

    def __call__(self) -> None:
        until_killed(self.actions, self.random)

    def _pick(self, want: Callable[[Entry], bool], **noted: object) -> Entry | None:
        """One of those that are wanted, with what is `noted` of it before another worker can pick it."""
        with self.ledger.lock:
            found = [entry for entry in self.ledger.containers.values() if want(entry)]
            entry = self.random.choice(found) if found else None
            for key, value in noted.items() if entry else ():
                setattr(entry, key, value)
            return entry

    def create(self) -> None:
        with self.ledger.lock:
            if len(self.ledger.containers) > KEPT:
                return
        name = f"k{self.random.getrandbits(60):x}"
        code, lines = self.random.randrange(1, 100), self.random.choice([0, 3, 2000])
        script = SCRIPT.format(lines=lines, seconds=self.random.choice(["0", "0.1", "100"]), code=code)
        body = {
            "Image": BUSYBOX,
            "Cmd": ["sh", "-c", script],
            "HostConfig": {"NetworkMode": self.random.choice(["none", "bridge"])},
            "Volumes": {"/data": {}} if self.random.random() < 0.2 else None,
        }
        answer = self.engine.post("/containers/create", body, query={"name": name})
        assert answer.status == 201, answer
        with self.ledger.lock:
            self.ledger.containers[answer.json["Id"]] = Entry(answer.json["Id"], name, code, lines)

    def start(self) -> None:
        if entry := self._pick(lambda entry: entry.started is False, started=None):
            answer = self.engine.post(f"/containers/{entry.id}/start")
            assert answer.status in (204, 304, 404, 409), answer
            if answer.status in (204, 304):
                entry.started = True

    def stop(self) -> None:
        if entry := self._pick(lambda entry: entry.started is True and entry.exit_code is None, stopped=True):
            path = self.random.choice(["stop?t=0", "kill"])
            answer = self.engine.post(f"/containers/{entry.id}/{path.split('?')[0]}", query={"t": 0})
            assert answer.status in (204, 304, 404, 409), answer

    def wait(self) -> None:
        if entry := self._pick(lambda entry: entry.started is True and bool(entry.stopped)):
            answer = self.engine.post(f"/containers/{entry.id}/wait", timeout=20)
            assert answer.status in (200, 404), answer
            if answer.status == 200:
                entry.exit_code = int(answer.json["StatusCode"])

    def remove(self) -> None:
        with self.ledger.lock:
            if len(self.ledger.containers) < KEPT // 2:
                return
        if entry := self._pick(lambda entry: True):
            with self.ledger.lock:
                if self.ledger.containers.pop(entry.id, None) is None:
                    return
                self.ledger.removing.add(entry.id)
            answer = self.engine.delete(f"/containers/{entry.id}", query={"force": 1, "v": 1})
            assert answer.status in (204, 404, 409), answer
            with self.ledger.lock:
                if answer.status == 204:
                    self.ledger.removing.discard(entry.id)
                    self.ledger.removed.add(entry.id)

    def execute(self) -> None:
        if entry := self._pick(lambda entry: entry.started is True and not entry.stopped):
            made = self.engine.post(f"/containers/{entry.id}/exec", {"Cmd": ["true"], "AttachStdout": True})
            if made.status == 201:
                self.engine.post(f"/exec/{made.json['Id']}/start", {"Detach": False})

    def rename(self) -> None:
        name = f"r{self.random.getrandbits(60):x}"
        entry = self._pick(lambda entry: not entry.renamed, renamed=name)
        if entry and self.engine.post(f"/containers/{entry.id}/rename", query={"name": name}).status == 204:
            entry.name, entry.renamed = name, ""

    def pause(self) -> None:
        if entry := self._pick(lambda entry: entry.started is True and not entry.stopped):
            self.engine.post(f"/containers/{entry.id}/pause")
            self.engine.post(f"/containers/{entry.id}/unpause")

    def read_logs(self) -> None:
        if entry := self._pick(lambda entry: entry.started is True):
            self.engine.get(f"/containers/{entry.id}/logs", query={"stdout": 1, "tail": 5})


def check(engine: Endpoint, ledger: Ledger) -> None:
    """The daemon knows all that it acknowledged."""
    known = {container["Id"]: container for container in engine.get("/containers/json", query={"all": 1}).json}
    assert not ledger.removed & known.keys(), "a removed container came back"
    lost = ledger.containers.keys() - known.keys()
    assert not lost, f"acknowledged containers are gone: {[ledger.containers[one] for one in lost]}"
    for entry in ledger.containers.values():
        _check_one(engine, entry)
    for identity in list(ledger.removing & known.keys()):
        # Asked for, not acknowledged, not done: it must still be removable.
        assert engine.delete(f"/containers/{identity}", query={"force": 1, "v": 1}).status in (204, 404)
        ledger.removed.add(identity)
    ledger.removing.clear()
    _adopt_unknown(engine, ledger, known.keys())


def _check_one(engine: Endpoint, entry: Entry) -> None:
    found = engine.inspect(entry.id)
    state = found["State"]
    names = {f"/{entry.name}", f"/{entry.renamed}"}
    assert found["Name"] in names, (found["Name"], entry)
    entry.name, entry.renamed = found["Name"].removeprefix("/"), ""
    assert state["Status"] in ("created", "running", "paused", "exited"), (state, entry)
    if state["Status"] == "paused":
        assert engine.post(f"/containers/{entry.id}/unpause").status == 204
    story = f"{entry} is {state}"
    if entry.started is None:
        entry.started = state["Status"] != "created"
    assert entry.started == (state["Status"] != "created"), story
    if entry.exit_code is not None:
        assert (state["Status"], state["ExitCode"]) == ("exited", entry.exit_code), story
    if state["Status"] == "exited":
        # 137 by us; anything else is its own code. The monitor wrote it, whoever was dead at the time.
        assert state["ExitCode"] == entry.code or (entry.stopped and state["ExitCode"] == 137), story
        if state["ExitCode"] == entry.code:
            assert engine.output(entry.id) == "".join(f"line {n}\n" for n in range(entry.lines)), entry
        entry.stopped, entry.exit_code = True, int(state["ExitCode"])


def _adopt_unknown(engine: Endpoint, ledger: Ledger, known: Iterator[str] | object) -> None:
    """A create whose answer never came: the container may be there, and must be whole."""
    for container in engine.get("/containers/json", query={"all": 1}).json:
        if container["Id"] not in ledger.containers:
            assert container["State"] == "created"
            assert engine.delete(f"/containers/{container['Id']}", query={"v": 1}).status == 204


def _round(engine: Instance, ledger: Ledger, chance: random.Random) -> None:
    workers = [Worker(engine, ledger, chance.getrandbits(64)) for _ in range(WORKERS)]
    kill_amid(engine, workers, lambda: time.sleep(chance.uniform(*ROUND)))
    check(engine, ledger)


def test_kills(capsys: pytest.CaptureFixture[str]) -> None:
    seed, chance = seeded()
    ledger = Ledger()
    begun = time.monotonic()
    with failures_of_threads() as failures, instance() as engine:
        for number in range(KILLS):
            with told(engine, capsys, f"kill {number + 1} of {KILLS}, CORRAL_SEED={seed}"):
                _round(engine, ledger, chance)
                assert not failures, failures[0]
        engine.remove_everything()
        eventually(lambda: engine.settled() == (0, 0), engine.unsettled, seconds=30)
        assert not engine.get("/volumes").json["Volumes"], "no anonymous volume stays"
    with capsys.disabled():
        took = time.monotonic() - begun
        print(
            f"\n{KILLS} kills in {took:.0f} s, {len(ledger.removed)} containers removed on the way, CORRAL_SEED={seed}"
        )
