"""An engine without a kernel: containers are coroutines, programs are a dozen lines. For tests of the APIs.

The programs know their container's arguments, standard input and output; see `PROGRAMS`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from corral.engine.config import EngineConfig
from corral.engine.events import Events
from corral.engine.host import HostInfo
from corral.engine.parts import Paths
from corral.engine.spill import SpillQueue
from corral.engine.wait import Condition, Waiter, tell_exit
from corral.errors import Conflict, NotFound, RuntimeFailed, Unchanged, Unsupported
from corral.kit.clock import SystemClock
from corral.kit.ids import new_id
from corral.model.container import Container, ContainerSpec, State
from corral.model.image import Image
from corral.model.process import Exec, ExecSpec, LogEntry, LogQuery
from corral.model.stats import CgroupStats, InterfaceStats, Stats

IMAGE = Image("sha256:" + "1" * 64, created=1, tags=["docker.io/library/busybox:latest"])


class Process:
    """What a program sees: `args`, `read` (b"" at the end), `out`, `err`; its `killed` event."""

    def __init__(self, args: list[str], tty: bool) -> None:
        self.args, self.tty = args, tty
        self.killed = asyncio.Event()
        self.signal = 0
        self.size = (0, 0)
        self.clients: set[FakeAttachment] = set()
        self.log: list[LogEntry] = []
        self.news = asyncio.Event()
        self.typed: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self.typed.get()

    def out(self, data: bytes) -> None:
        self._say(1, data)

    def err(self, data: bytes) -> None:
        self._say(1 if self.tty else 2, data)

    def _say(self, stream: int, data: bytes) -> None:
        for client in self.clients:
            client.deliver(stream, data)
        for line in data.splitlines(keepends=True):
            name = "stdout" if stream == 1 else "stderr"
            self.log.append(LogEntry(name, time.time_ns(), line, not line.endswith(b"\n")))  # type: ignore[arg-type]
        self.wake()

    def wake(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class FakeAttachment:
    def __init__(self, process: Process, stdin: bool, streams: frozenset[int], stdin_once: bool) -> None:
        self.tty, self.stdin = process.tty, stdin
        self.process, self.streams, self.stdin_once = process, streams, stdin_once
        self.queue = SpillQueue()
        self.closed = False
        process.clients.add(self)

    def deliver(self, stream: int, data: bytes) -> None:
        if stream in self.streams:
            self.queue.put(stream, data)

    async def read(self) -> tuple[int, bytes] | None:
        return await self.queue.get()

    async def write(self, data: bytes) -> None:
        if self.stdin:
            self.process.typed.put_nowait(data)

    async def close_stdin(self) -> None:
        if self.stdin and self.stdin_once:
            self.process.typed.put_nowait(b"")

    async def close(self) -> None:
        self.closed = True
        self.process.clients.discard(self)
        self.queue.close()


async def echo(process: Process) -> int:
    process.out((" ".join(process.args) + "\n").encode())
    return 0


async def both(process: Process) -> int:
    process.out(b"out\n")
    process.err(b"err\n")
    return 0


async def cat(process: Process) -> int:
    while data := await process.read():
        process.out(data)
    return 0


async def shell(process: Process) -> int:
    """On a terminal: repeats what is typed; a line `exit N` ends it."""
    process.out(b"$ ")
    line = b""
    while data := await process.read():
        process.out(data)
        line += data
        if line.endswith((b"\r", b"\n")):
            if line.startswith(b"exit"):
                return int(line[4:] or b"0")
            line = b""
            process.out(b"\n$ ")
    return 0


async def sleep(process: Process) -> int:
    await process.killed.wait()
    return 128 + process.signal


async def false(process: Process) -> int:
    return int(process.args[0]) if process.args else 1


async def flood(process: Process) -> int:
    """As many kilobytes as asked for, as fast as it goes, letting others run in between."""
    for _ in range(int(process.args[0])):
        process.out(b"x" * 1023 + b"\n")
        await asyncio.sleep(0)
    return 0


PROGRAMS: dict[str, Callable[[Process], Awaitable[int]]] = {
    "echo": echo,
    "both": both,
    "cat": cat,
    "sh": shell,
    "sleep": sleep,
    "false": false,
    "true": lambda process: false(SimpleNamespace(args=["0"])),  # type: ignore[arg-type]
    "flood": flood,
}


class Live:
    """As the engine's own, as far as a Waiter looks."""

    def __init__(self, record: Container) -> None:
        self.record = record
        self.waiters: set[Waiter] = set()
        self.ended = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.process = self.fresh()

    def fresh(self) -> Process:
        return Process(self.record.args, self.record.spec.tty)


class FakeContainers:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.lives: dict[str, Live] = {}

    def live(self, ref: str) -> Live:
        for live in self.lives.values():
            if ref and (live.record.name == ref.removeprefix("/") or live.record.id.startswith(ref)):
                return live
        raise NotFound(f"No such container: {ref}")

    def get(self, ref: str) -> Container:
        return self.live(ref).record

    def list(self, *, unlisted: bool = False) -> list[Container]:
        return [live.record for live in self.lives.values()]

    def exec_ids(self, ref: str) -> list[str]:
        return []

    def apparmor(self, container: Container) -> str:
        return ""

    def link_names(self) -> dict[str, list[str]]:
        return {}

    async def create(self, spec: ContainerSpec, name: str = "") -> SimpleNamespace:
        self.engine.images.get(spec.image)
        id = new_id()
        line = [*(spec.entrypoint or []), *(spec.command or ["sh"])]
        record = Container(id, name or f"name{len(self.lives)}", time.time_ns(), IMAGE.id, spec, line[0], line[1:])
        record.ready = True
        self.lives[id] = Live(record)
        self.tell(self.lives[id], "create")
        return SimpleNamespace(id=id, warnings=[])

    def tell(self, live: Live, action: str, **more: str) -> None:
        record = live.record
        attributes = {**record.spec.labels, "image": record.spec.image, "name": record.name, **more}
        self.engine.events.publish("container", action, record.id, attributes)

    async def start(self, ref: str) -> None:
        live = self.live(ref)
        if live.record.state.running:
            raise Unchanged("it runs")
        if live.record.path not in PROGRAMS:
            live.record.state.exit_code = 127
            if live.record.spec.auto_remove:
                await self.remove(live.record.id)
            raise RuntimeFailed(f'exec: "{live.record.path}": executable file not found in $PATH: unknown', 127)
        live.ended.clear()
        live.record.state = State("running", pid=4711, started_at=time.time_ns())
        self.tell(live, "start")
        live.task = asyncio.get_running_loop().create_task(self.run(live))

    async def run(self, live: Live) -> None:
        code = await PROGRAMS[live.record.path](live.process)
        live.record.state = State("exited", exit_code=code, finished_at=time.time_ns())
        for client in list(live.process.clients):
            client.queue.end()
        live.ended.set()
        live.process.wake()
        self.tell(live, "die", exitCode=str(code))
        tell_exit(live)  # type: ignore[arg-type]
        if live.record.spec.auto_remove:
            await self.remove(live.record.id)

    async def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        live = self.live(ref)
        if not live.record.state.running:
            raise Conflict(f"container {live.record.id} is not running")
        live.process.signal = 9 if signal in ("SIGKILL", "KILL", "9") else 15
        live.process.killed.set()
        self.tell(live, "kill", signal=str(live.process.signal))
        await live.ended.wait()

    async def stop(self, ref: str, timeout: int | None = None, signal: str = "") -> None:
        if not self.get(ref).state.running:
            raise Unchanged("it does not run")
        await self.kill(ref, "SIGTERM")
        self.tell(self.live(ref), "stop")

    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None:
        live = self.live(ref)
        if live.record.state.running:
            if not force:
                raise Conflict(f'cannot remove container "/{live.record.name}": container is running: stop it first')
            await self.kill(ref)
        del self.lives[live.record.id]
        self.tell(live, "destroy")
        tell_exit(live, gone=True)  # type: ignore[arg-type]

    def waiter(self, ref: str, condition: Condition = "not-running") -> Waiter:
        return Waiter(self.live(ref), condition)  # type: ignore[arg-type]

    async def attach(self, ref: str, *, stdin: bool, stdout: bool, stderr: bool) -> FakeAttachment:
        live = self.live(ref)
        if live.record.state.status == "paused":
            raise Conflict(f"container {live.record.id} is paused, unpause the container before attach")
        streams = frozenset(([1] if stdout else []) + ([2] if stderr else []))
        self.tell(live, "attach")
        spec = live.record.spec
        return FakeAttachment(live.process, stdin and spec.stdin_open, streams, spec.stdin_once)

    def log_details(self, ref: str) -> dict[str, str]:
        return self.get(ref).spec.labels

    def logs(self, ref: str, query: LogQuery) -> AsyncIterator[LogEntry]:
        live = self.live(ref)
        if live.record.spec.log.driver == "none":
            raise Unsupported("configured logging driver does not support reading")
        return self._logs(live, query)

    async def _logs(self, live: Live, query: LogQuery) -> AsyncIterator[LogEntry]:
        at = 0
        process = live.process
        if query.tail >= 0:
            at = max(0, len(process.log) - query.tail)
        while True:
            news = process.news
            for entry in process.log[at:]:
                at += 1
                asked = query.stdout if entry.stream == "stdout" else query.stderr
                if asked and entry.time >= query.since and not (query.until and entry.time > query.until):
                    yield entry
            if not query.follow or (live.ended.is_set() and at == len(process.log)):
                return
            await news.wait()

    async def resize(self, ref: str, height: int, width: int) -> None:
        live = self.live(ref)
        if not live.record.state.running:
            raise Conflict(f"cannot resize a stopped container: container {live.record.id} is not running")
        live.process.size = (height, width)

    async def top(self, ref: str, ps_args: str = "") -> tuple[list[str], list[list[str]]]:
        return ["PID", "CMD"], [["4711", " ".join([self.get(ref).path, *self.get(ref).args])]]

    async def stats(self, ref: str) -> Stats:
        now = time.time_ns()
        used = CgroupStats(cpu_total=now % 10**12, memory_usage=5 << 20, pids=1, memory_detail={"file": 1})
        return Stats(now, used, system_cpu=now, online_cpus=2, interfaces={"eth0": InterfaceStats(rx_bytes=1)})

    async def sizes(self, ref: str) -> tuple[int, int]:
        return 0, 0


class FakeExecs:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.sessions: dict[str, Exec] = {}
        self.processes: dict[str, Process] = {}

    async def create(self, ref: str, spec: ExecSpec) -> str:
        record = self.engine.containers.get(ref)
        if not record.state.running:
            raise Conflict(f"container {record.id} is not running")
        id = new_id()
        self.sessions[id] = Exec(id, record.id, spec)
        return id

    def get(self, id: str) -> Exec:
        if id not in self.sessions:
            raise NotFound(f"No such exec instance: {id}")
        return self.sessions[id]

    async def start(
        self, id: str, *, detach: bool = False, console_size: Any = None, stdin: bool = True
    ) -> FakeAttachment | None:
        session = self.get(id)
        if session.started:
            raise Conflict(f"exec command {id} has already run")
        session.started = True
        program, *args = session.spec.command
        if program not in PROGRAMS:
            session.exit_code = 127
            raise RuntimeFailed(f'OCI runtime exec failed: exec: "{program}": executable file not found in $PATH', 127)
        process = self.processes[id] = Process(args, session.spec.tty)
        process.size = tuple(console_size) if console_size else (0, 0)
        spec = session.spec
        streams = frozenset(([1] if spec.attach_stdout else []) + ([2] if spec.attach_stderr else []))
        attachment = None if detach else FakeAttachment(process, stdin, streams, True)
        session.running, session.pid = True, 4712
        self.engine.tasks.add(asyncio.get_running_loop().create_task(self.run(session, process)))
        return attachment

    async def run(self, session: Exec, process: Process) -> None:
        code = await PROGRAMS[session.spec.command[0]](process)
        session.running, session.exit_code, session.pid = False, code, 0
        for client in list(process.clients):
            client.queue.end()

    async def resize(self, id: str, height: int, width: int) -> None:
        if not self.get(id).running:
            raise Conflict(f"exec {id} is not running")
        self.processes[id].size = (height, width)


class FakeRootfs:
    def graph(self, id: str) -> dict[str, str]:
        return {"MergedDir": "/m", "UpperDir": "/u", "WorkDir": "/w", "LowerDir": "/l"}


class FakeImages:
    def get(self, ref: str) -> Image:
        if ref not in ("busybox", "busybox:latest", IMAGE.id, *IMAGE.tags):
            raise NotFound(f"No such image: {ref}" + ("" if ":" in ref else ":latest"))
        return IMAGE

    def list(self) -> list[Image]:
        return [IMAGE]

    rootfs = FakeRootfs()


class FakeEngine:
    def __init__(self) -> None:
        clock = SystemClock()
        self.events = Events(clock)
        self.config = EngineConfig()
        self.host = HostInfo(
            id="e7c0-ffee",
            hostname="fake",
            kernel="6.1.0",
            os_name="Debian GNU/Linux 12 (bookworm)",
            os_version="12",
            architecture="x86_64",
            cpus=2,
            memory=8 << 30,
            cgroup_controllers=["cpu", "cpuset", "io", "memory", "pids"],
            runtimes={"runc": ["/usr/bin/runc", "1.1.5"]},
            default_runtime="runc",
            security=["seccomp", "cgroupns"],
            root="/var/lib/corral",
        )
        self.parts = SimpleNamespace(clock=clock, paths=Paths("/var/lib/corral", "/run/corral"))
        self.containers, self.execs, self.images = FakeContainers(self), FakeExecs(self), FakeImages()
        self.volumes = SimpleNamespace(list=list)
        self.networks = SimpleNamespace(info=list)
        self.tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        tasks = [*self.tasks, *(live.task for live in self.containers.lives.values() if live.task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
