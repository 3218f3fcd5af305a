"""What is measured: each measure takes one sample of one engine."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench import builds, images, networks
from bench.engines import IMAGE, Engine
from bench.statistics import Target

Sample = Mapping[str, float]  # the row's name -> its value in the row's unit
PARALLEL = 8
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Size:
    """How much is done for one sample; and `repeat` scales how many samples are taken."""

    repeat: float = 1.0
    starts: int = 25  # containers in a burst; four bursts make the hundred
    idle: int = 50  # containers that do nothing
    seconds: float = 20.0  # of doing nothing
    listed: int = 500  # containers in `ps`
    log_mb: int = 64
    image_mb: int = 300
    requests: int = 4000  # small ones to a registry, or for a name
    port_mb: int = 200  # through a published port
    connections: int = 1000  # to a published port
    members: int = 200  # of one network


QUICK = Size(
    repeat=0.25,
    starts=10,
    idle=10,
    seconds=5.0,
    listed=100,
    log_mb=16,
    image_mb=60,
    requests=1000,
    port_mb=100,
    connections=500,
    members=20,
)


@dataclass(frozen=True)
class Measure:
    """`rows`: name -> unit and targets. `rounds`: how many samples of each engine."""

    name: str
    rounds: int
    rows: Mapping[str, tuple[str, Sequence[Target]]]
    take: Callable[[Engine, Size], Sample]


@contextmanager
def timed(sample: dict[str, float], row: str, scale: float = 1e3) -> Iterator[None]:
    """Note under `row` how long the block took: in milliseconds, unless `scale` says otherwise."""
    begin = time.perf_counter()
    yield
    sample[row] = (time.perf_counter() - begin) * scale


def run(engine: Engine, network: str, row: str) -> Sample:
    """One `run --rm IMAGE true` as a user types it, with the time that the command itself takes."""
    sample: dict[str, float] = {}
    with timed(sample, row):
        engine.cli("run", "--rm", "--network", network, *engine.options, IMAGE, "true")
    return sample


def steps(engine: Engine, _: Size) -> Sample:
    """One container's life in single commands. Its stop signal ends it at once: what is timed is the engine."""
    sample: dict[str, float] = {}
    name = f"steps{next(_numbers)}"
    with timed(sample, "create"):
        engine.cli("create", "--name", name, "--stop-signal", "KILL", *engine.options, IMAGE, "sleep", "1000")
    with timed(sample, "start"):
        engine.cli("start", name)
    with timed(sample, "exec true"):
        engine.cli("exec", name, "true")
    with timed(sample, "stop"):
        engine.cli("stop", name)
    with timed(sample, "rm"):
        engine.cli("rm", name)
    return sample


def burst(engine: Engine, size: Size, at_once: int, row: str) -> Sample:
    """Containers per second that are created and started; the clock ends when the last is gone, so late work counts."""
    sample: dict[str, float] = {}
    start = _start_by_api if engine.socket else _start_by_cli
    with timed(sample, row, 1.0):
        with ThreadPoolExecutor(at_once) as threads:
            list(threads.map(lambda share: start(engine, share), _shares(size.starts, at_once)))
        _until_gone(engine)
    return {row: size.starts / sample[row]}


def _shares(total: int, parts: int) -> list[int]:
    """
    >>> _shares(10, 4)
    [3, 3, 2, 2]
    """
    return [total // parts + (part < total % parts) for part in range(parts)]


def _start_by_api(engine: Engine, count: int) -> None:
    api = engine.api()
    for _ in range(count):
        made = api.call("POST", "/containers/create", _body("true", AutoRemove=True))
        api.call("POST", f"/containers/{made['Id']}/start")
    api.close()


def _start_by_cli(engine: Engine, count: int) -> None:
    for _ in range(count):
        engine.cli("run", "--detach", "--rm", *engine.options, IMAGE, "true")


def _body(*command: str, **host: Any) -> dict[str, Any]:
    return {"Image": IMAGE, "Cmd": list(command), "HostConfig": host}


def _until_gone(engine: Engine) -> None:
    api = engine.api() if engine.socket else None
    while api.call("GET", "/containers/json?all=1") if api else engine.cli("ps", "--all", "--quiet"):
        time.sleep(0.005)
    if api:
        api.close()


def idle(engine: Engine, size: Size) -> Sample:
    """What is used by doing nothing: memory without containers, with many, and time on the processors."""
    sample: dict[str, float] = {}
    if engine.socket:
        sample["daemon, idle"] = engine.room.memory()
    before = engine.room.memory()
    _populate(engine, size.idle, "--detach", "run")
    engine.room.settle()
    sample["per idle container"] = (engine.room.memory() - before) / size.idle
    used = engine.room.cpu()
    time.sleep(size.seconds)
    sample["processor, idle"] = (engine.room.cpu() - used) / size.seconds * 100
    _clear(engine)
    return sample


def _populate(engine: Engine, count: int, *words: str) -> None:
    """`count` containers that sleep, and can be stopped at once; `words` are the command's, its verb last."""
    *flags, verb = words
    flags += ["--stop-signal", "KILL", *engine.options]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: engine.cli(verb, *flags, IMAGE, "sleep", "100000"), range(count)))


def _clear(engine: Engine) -> None:
    names = engine.cli("ps", "--all", "--quiet").decode().split()
    if names:
        engine.cli("rm", "--force", *names)


def logs(engine: Engine, size: Size) -> Sample:
    """MB/s from a container's start until `logs` has shown all that it wrote, in lines of a hundred bytes."""
    sample: dict[str, float] = {}
    name, wanted = f"logs{next(_numbers)}", size.log_mb * 1_000_000
    script = f"yes {'corral-log' * 9}123456789 | head -n {wanted // 100}"
    with timed(sample, "logs", 1.0):
        options = ("--name", name, "--log-opt", "max-size=1g", *engine.options)
        engine.cli("run", "--detach", *options, IMAGE, "sh", "-c", script)
        engine.cli("wait", name)
        seen = len(engine.cli("logs", name))
    engine.cli("rm", "--force", name)
    if seen != wanted:
        raise RuntimeError(f"{engine.name}: {seen} bytes in the log instead of {wanted}")
    return {"a log-heavy container": size.log_mb / sample["logs"]}


def listing(engine: Engine, size: Size) -> Sample:
    """`ps --all` with many containers, as a command and, where there is a daemon, as a request."""
    sample: dict[str, float] = {}
    there = len(engine.cli("ps", "--all", "--quiet").split())
    _populate(engine, size.listed - there, "create")
    with timed(sample, f"ps --all of {size.listed}"):
        engine.cli("ps", "--all")
    if engine.socket:
        api = engine.api()
        with timed(sample, "the same, as a request"):
            assert len(api.call("GET", "/containers/json?all=1")) == size.listed
        api.close()
    return sample


def measures(size: Size) -> list[Measure]:
    """In the order in which they are taken: memory before anything else could grow it, many containers last."""
    many, mb = f"ps --all of {size.listed}", (Target("most", 1.5),)
    fifth = (Target("most", 0.2, "dockerd"),)
    step = ("ms", ())
    connected = networks.rows(size.members)
    half = tuple(Target("most", 0.6, peer) for peer in ("dockerd", "podman"))
    return [
        Measure("idle", 1, {
            "daemon, idle": ("MB", (Target("most", 60),)),
            "per idle container": ("MB", mb),
            "processor, idle": ("% of a core", (Target("most", 0.5),)),
        }, idle),
        Measure("run", 15, {"run --rm": ("ms", fifth)}, lambda engine, _: run(engine, _bridge(engine), "run --rm")),
        Measure("run-none", 15, {"run --rm, no network": ("ms", fifth)},
                lambda engine, _: run(engine, "none", "run --rm, no network")),
        Measure("steps", 9, {name: step for name in ("create", "start", "exec true", "stop", "rm")}, steps),
        Measure("starts", 4, {"starts, in sequence": ("/s", (Target("least", 5, "dockerd"),))},
                lambda engine, size: burst(engine, size, 1, "starts, in sequence")),
        Measure("starts-parallel", 4, {f"starts, {PARALLEL} at a time": ("/s", ())},
                lambda engine, size: burst(engine, size, PARALLEL, f"starts, {PARALLEL} at a time")),
        Measure("logs", 3, {"a log-heavy container": ("MB/s", ())}, logs),
        Measure("pull", 5, {"pull": ("s", half)}, lambda engine, size: images.pull(engine, size.image_mb)),
        Measure("load", 5, {"load": ("s", ()), "save": ("s", ())},
                lambda engine, size: images.load_and_save(engine, size.image_mb)),
        Measure("build", 5, builds.ROWS, lambda engine, _: builds.builds(engine)),
        Measure("attach", 9, connected["attach"], _with_daemon(lambda engine, _: networks.attach(engine))),
        Measure("names", 5, connected["names"],
                _with_daemon(lambda engine, size: networks.names(engine, size.requests))),
        Measure("ports", 9, connected["ports"],
                _with_daemon(lambda engine, size: networks.ports(engine, size.port_mb, size.connections))),
        Measure("compose", 3, connected["compose"], _with_daemon(lambda engine, _: networks.compose(engine))),
        Measure("many", 1, connected["many"],
                _with_daemon(lambda engine, size: networks.many(engine, size.members))),
        Measure("ps", 5, {many: step, "the same, as a request": step}, listing),
    ]  # fmt: skip


def _with_daemon(take: Callable[[Engine, Size], Sample]) -> Callable[[Engine, Size], Sample]:
    """What is asked over the API: engines without a daemon have no sample."""
    return lambda engine, size: take(engine, size) if engine.socket else {}


def _bridge(engine: Engine) -> str:
    """podman calls its default network after itself."""
    return "podman" if engine.name == "podman" else "bridge"
