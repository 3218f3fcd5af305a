"""Networks: joining them, names in them, ports of the host that lead into them, and applications of many containers.

What asks and what answers is `bench.traffic`, in the namespaces of containers and of a host beside the room: so the way
is the engine's, and the programs at its ends are the same for all. Engines without a daemon are left out.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import traffic
from bench.api import Api
from bench.engines import IMAGE, Engine
from bench.statistics import Target
from tests.support.compose import compose_v2

Sample = dict[str, float]
OUTSIDE, OURS, THEIRS = "outside", "198.51.100.1", "198.51.100.2"
PORT = 8080
SERVICES = 20
PARALLEL = 8
_numbers = itertools.count(1)


def rows(many: int) -> dict[str, Mapping[str, tuple[str, Sequence[Target]]]]:
    """The measures and their rows."""
    level, half = (Target("least", 1.0, "dockerd"),), (Target("most", 0.5, "dockerd"),)
    no_slower = (Target("most", 1.0, "dockerd"),)
    return {
        "attach": {name: ("ms", no_slower) for name in ("network connect", "network disconnect", "start, own network")},
        "names": {"DNS queries": ("/s", level), "DNS latency": ("ms", no_slower)},
        "ports": {
            f"port, {what} {where}": (unit, level)
            for where in ("from outside", "from 127.0.0.1")
            for what, unit in (("throughput", "MB/s"), ("connections", "/s"))
        },
        "many": {f"{many} on one network": ("s", half)},
        "compose": {f"compose up of {SERVICES}": ("s", half)},
    }


@contextmanager
def network(api: Api) -> Iterator[str]:
    name = f"own{next(_numbers)}"
    api.call("POST", "/networks/create", {"Name": name})
    try:
        yield name
    finally:
        api.call("DELETE", f"/networks/{name}")


@contextmanager
def container(api: Api, on: str, **host: Any) -> Iterator[str]:
    """One that sleeps, created but not started."""
    exposed: dict[str, dict[str, str]] = {port: {} for port in host.get("PortBindings", ())}
    body = {"Image": IMAGE, "Cmd": ["sleep", "100000"], "ExposedPorts": exposed}
    name = f"member{next(_numbers)}"
    api.call("POST", f"/containers/create?name={name}", {**body, "HostConfig": {"NetworkMode": on, **host}})
    try:
        yield name
    finally:
        api.call("DELETE", f"/containers/{name}?force=1")


@contextmanager
def timed(sample: Sample, row: str, scale: float = 1e3) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    sample[row] = (time.perf_counter() - begin) * scale


def _traffic(engine: Engine, entrance: Sequence[str], *words: object) -> list[str]:
    """The command that runs `bench.traffic` in the room, behind an `entrance` to a namespace of it."""
    return engine.room.inside([*entrance, sys.executable, "-P", str(Path(traffic.__file__)), *map(str, words)])


def _ask(engine: Engine, entrance: Sequence[str], *words: object) -> Sample:
    done = subprocess.run(_traffic(engine, entrance, *words), capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{engine.name}: traffic {words}: {done.stderr[-500:]}")
    return dict(json.loads(done.stdout))


def _into(api: Api, name: str) -> list[str]:
    pid = api.call("GET", f"/containers/{name}/json")["State"]["Pid"]
    return ["nsenter", "--target", str(pid), "--net", "--"]


def attach(engine: Engine) -> Sample:
    """A running container joins a network and leaves it; another starts in one that somebody made."""
    sample: Sample = {}
    api = engine.api()
    with network(api) as own, container(api, "bridge") as member:
        api.call("POST", f"/containers/{member}/start")
        engine.room.settle()
        with timed(sample, "network connect"):
            api.call("POST", f"/networks/{own}/connect", {"Container": member})
        engine.room.settle()
        with timed(sample, "network disconnect"):
            api.call("POST", f"/networks/{own}/disconnect", {"Container": member})
        with container(api, own) as other:
            engine.room.settle()
            with timed(sample, "start, own network"):
                api.call("POST", f"/containers/{other}/start")
    return sample


def names(engine: Engine, queries: int) -> Sample:
    """One container asks for another."""
    api = engine.api()
    with network(api) as own, container(api, own) as asker, container(api, own) as other:
        for name in (asker, other):
            api.call("POST", f"/containers/{name}/start")
        engine.room.settle()
        found = _ask(engine, _into(api, asker), "dns", "127.0.0.11", other, queries)
    return {"DNS queries": found["rate"], "DNS latency": found["latency"] * 1e3}


@contextmanager
def outside(engine: Engine) -> Iterator[None]:
    """A host beside the room, on a cable."""
    words = f"""netns add {OUTSIDE}
        link add out0 type veth peer name eth0 netns {OUTSIDE}
        address add {OURS}/30 dev out0
        link set out0 up
        -n {OUTSIDE} address add {THEIRS}/30 dev eth0
        -n {OUTSIDE} link set eth0 up
        -n {OUTSIDE} route add default via {OURS}"""
    for line in words.splitlines():
        subprocess.run(engine.room.inside(["ip", *line.split()]), check=True, capture_output=True)
    try:
        yield
    finally:
        for line in ("link del out0", f"netns del {OUTSIDE}"):
            subprocess.run(engine.room.inside(["ip", *line.split()]), check=True, capture_output=True)


def ports(engine: Engine, mb: int, connections: int) -> Sample:
    """A published port, called from another host and from this one."""
    sample: Sample = {}
    api, bound = engine.api(), {f"{PORT}/tcp": [{"HostPort": str(PORT)}]}
    with outside(engine), container(api, "bridge", PortBindings=bound) as server:
        api.call("POST", f"/containers/{server}/start")
        with _serving(engine, _into(api, server)):
            ways = {"from outside": (["ip", "netns", "exec", OUTSIDE], OURS), "from 127.0.0.1": ([], "127.0.0.1")}
            for where, (entrance, address) in ways.items():
                found = _ask(engine, entrance, "fetch", address, PORT, mb, connections)
                sample |= {f"port, {what} {where}": value for what, value in found.items()}
    return sample


@contextmanager
def _serving(engine: Engine, entrance: Sequence[str]) -> Iterator[None]:
    argv = _traffic(engine, entrance, "serve", PORT)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None and server.stdout.readline() == b"ready\n", "the server does not start"
            yield
        finally:
            server.kill()


def many(engine: Engine, count: int) -> Sample:
    """They are all made and started, and each is found by its name. Taking them away is not counted."""
    sample: Sample = {}
    own, called = f"own{next(_numbers)}", [f"many{next(_numbers)}" for _ in range(count)]
    api = engine.api()
    api.call("POST", "/networks/create", {"Name": own})
    with timed(sample, f"{count} on one network", 1.0):
        _for_all(engine, called, lambda link, name: _start(link, name, own))
    _ask(engine, _into(api, called[0]), "dns", "127.0.0.11", ",".join(called), 4 * count)
    _for_all(engine, called, lambda link, name: link.call("DELETE", f"/containers/{name}?force=1"))
    api.call("DELETE", f"/networks/{own}")
    return sample


def _start(api: Api, name: str, on: str) -> None:
    body = {"Image": IMAGE, "Cmd": ["sleep", "100000"], "HostConfig": {"NetworkMode": on}}
    api.call("POST", f"/containers/create?name={name}", body)
    api.call("POST", f"/containers/{name}/start")


def _for_all(engine: Engine, called: Sequence[str], act: Any) -> None:
    def work(share: Sequence[str]) -> None:
        api = engine.api()
        for name in share:
            act(api, name)
        api.close()

    with ThreadPoolExecutor(PARALLEL) as threads:
        list(threads.map(work, [called[start::PARALLEL] for start in range(PARALLEL)]))


def compose(engine: Engine) -> Sample:
    """`compose up` as a user types it, of services that do nothing."""
    sample: Sample = {}
    folder = engine.folder / "compose"
    folder.mkdir(exist_ok=True)
    service = {"image": IMAGE, "command": ["sleep", "100000"], "stop_signal": "SIGKILL"}
    (folder / "compose.yaml").write_text(json.dumps({"services": {f"s{n}": service for n in range(SERVICES)}}))
    _compose(engine, folder, "config", "--quiet")  # the first run of the program may be one of fetching it
    engine.room.settle()
    with timed(sample, f"compose up of {SERVICES}", 1.0):
        _compose(engine, folder, "up", "--detach")
    _compose(engine, folder, "down", "--timeout", "0")
    return sample


def _compose(engine: Engine, folder: Path, *words: str) -> None:
    argv = [str(compose_v2()), "--ansi", "never", *words]
    done = subprocess.run(argv, cwd=folder, env=engine.env(), capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{engine.name}: compose {' '.join(words)}: {done.stderr[-800:]}")
