"""Nothing leaks: not on the host, not in the daemon, not on the disk; whatever happened in between."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoint import BUSYBOX
from tests.support.images import tree_tar
from tests.support.instance import Instance, instance
from tests.support.leaks import Footprint
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

PORT = {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": ""}]}}}


def _descriptors(pid: int) -> Counter[str]:
    """What the process has open, by kind: "socket", "anon_inode:[pidfd]", the path of a file."""
    found: Counter[str] = Counter()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[os.readlink(f"/proc/{pid}/fd/{name}").split(":[")[0]] += 1
        except FileNotFoundError:
            continue
    return found


def _files(engine: Instance) -> list[str]:
    """Everything below the instance that containers may leave; not its databases, images, volumes and log."""
    kept = ("engine.db", "corral.log", "config.toml", "networks", "images/layers", "images/content", "images/images.db")
    found = []
    for place in (engine.root, engine.volatile):
        for path in place.rglob("*"):
            name = str(path.relative_to(place))
            if not name.startswith(kept):
                found.append(f"{place}/{name}")
    return sorted(found)


def _of_containers(engine: Instance) -> list[str]:
    """The files that have a container's id in their path: they are deleted after the answer to the removal."""
    return [path for path in _files(engine) if re.search(r"[0-9a-f]{64}", path)]


def _all_sorts(engine: Instance) -> None:
    """One of everything that can be done to a container, failures among it."""
    assert engine.result("echo", "plain", HostConfig={"NetworkMode": "none"}) == (0, "plain\n")
    assert engine.result("sh", "-c", "exit 3")[0] == 3
    engine.remove(engine.run("sleep", "1000", **PORT))
    engine.remove(engine.run("sleep", "1000", Volumes={"/data": {}}, HostConfig={"Tmpfs": {"/t": ""}, "Init": True}))
    engine.remove(engine.create("nosuch"))
    for broken in ({"Cmd": ["nosuch"]}, {"Cmd": ["/etc"]}, {"User": "nosuch"}):
        _fails_to_start(engine, **broken)
    half_made = {"Image": BUSYBOX, "Cmd": ["true"], "WorkingDir": "/etc/passwd"}
    assert engine.post("/containers/create", half_made).status == 400
    _fails_to_start(engine, HostConfig={"Sysctls": {"net.nosuch": "1"}})
    _fails_to_start(engine, HostConfig={"Devices": [{"PathOnHost": "/dev/nosuch", "PathInContainer": "/dev/x"}]})
    busy = engine.run("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done", Tty=True, OpenStdin=True)
    engine.execute(busy, "sh", "-c", "sleep 1000 & exit 4")
    engine.execute(busy, "nosuch")
    engine.request("PUT", f"/containers/{busy}/archive", tree_tar({"a": b"x" * 100_000}), query={"path": "/tmp"})
    engine.get(f"/containers/{busy}/archive", query={"path": "/bin"})
    engine.post(f"/containers/{busy}/pause")
    engine.post(f"/containers/{busy}/unpause")
    engine.post(f"/containers/{busy}/restart", query={"t": 0})
    engine.get(f"/containers/{busy}/stats", query={"stream": 0})
    engine.remove(busy)
    again = engine.run("false", HostConfig={"RestartPolicy": {"Name": "always"}})
    eventually(lambda: engine.inspect(again)["RestartCount"] >= 1, "a restart")
    engine.remove(again)
    gone = engine.run("true", HostConfig={"AutoRemove": True})
    eventually(lambda: engine.get(f"/containers/{gone}/json").status == 404, "it removed itself")
    _abandoned(engine)


def _fails_to_start(engine: Instance, **config: Any) -> None:
    identity = engine.create("true", **config)
    assert engine.post(f"/containers/{identity}/start").status >= 400, config
    engine.remove(identity)


def _abandoned(engine: Instance) -> None:
    """Clients that go away in the middle of what they asked for."""
    identity = engine.run("sh", "-c", "while :; do echo line; sleep 0.01; done")
    paths = ["logs?stdout=1&follow=1", "stats?stream=1"]
    for path in paths:
        connection = engine.connection()
        connection.request("GET", f"/v1.41/containers/{identity}/{path}")
        connection.getresponse().read(20)
        connection.close()
    for path in ("attach?stream=1&stdout=1", "wait?condition=next-exit"):
        connection = engine.connection()
        connection.request("POST", f"/v1.41/containers/{identity}/{path}")
        connection.getresponse()
        connection.close()
    engine.remove(identity)


def _quiet(engine: Instance, files: list[str]) -> bool:
    return engine.settled() == (0, 0) and _files(engine) == files


def test_all_sorts_leave_nothing(fresh: Instance) -> None:
    """After a first turn the daemon has all that it keeps: pools, caches. Three more turns must add nothing."""
    _all_sorts(fresh)
    fresh.forget_client()
    fresh.post("/volumes/prune", query={"filters": {"all": {"true": True}}})
    eventually(lambda: fresh.settled() == (0, 0) and not _of_containers(fresh), "the first turn has settled")
    files = _files(fresh)
    opened, own = _descriptors(fresh.pid), fresh.footprint()
    for _ in range(3):
        _all_sorts(fresh)
    changed = lambda: sorted(set(_files(fresh)) ^ set(files))  # noqa: E731
    eventually(lambda: _quiet(fresh, files), lambda: f"no file, mount or monitor stays: {changed()}", seconds=20)
    eventually(lambda: not _descriptors(fresh.pid) - opened, "no descriptor stays")
    eventually(lambda: not fresh.footprint().beyond(own), "nothing stays on the host")
    assert not fresh.get("/volumes").json["Volumes"]


def test_no_zombies(fresh: Instance) -> None:
    for _ in range(5):
        fresh.result("true")
    children = Path(f"/proc/{fresh.pid}/task/{fresh.pid}/children")

    def zombies() -> list[str]:
        states = (Path(f"/proc/{child}/stat").read_text() for child in children.read_text().split())
        return [state for state in states if state.rpartition(")")[2].split()[0] == "Z"]

    eventually(lambda: not zombies(), "every child is waited for")


def test_the_host_is_as_before() -> None:
    """From before `up` to after `down --all`, with containers still running when it comes."""
    before = Footprint.of_host()
    with instance() as engine:
        for number in range(4):
            engine.run("sleep", "1000", HostConfig={"Binds": [f"vol{number}:/v"], "AutoRemove": number == 1})
        engine.run("sleep", "1000", **PORT)
        engine.run("false", HostConfig={"RestartPolicy": {"Name": "always"}})
        mine = engine.words
    left = Footprint.of_host().beyond(before)
    ours = {kind: [name for name in names if any(word in name for word in mine)] for kind, names in left.items()}
    assert not any(ours.values()), ours


def test_memory_does_not_grow(fresh: Instance) -> None:
    """Two hundred containers cost the daemon less than 6 MB for good."""

    def resident() -> int:
        lines = Path(f"/proc/{fresh.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    def turn(number: int) -> None:
        for _ in range(number):
            fresh.result("true", HostConfig={"NetworkMode": "none"})

    turn(50)  # what is loaded once, and the rings of events and ended sessions
    before = resident()
    turn(200)
    assert resident() - before < 6 * 1024
