"""The engines that are compared, each in its room: how it is started, spoken to and ended."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.api import Api
from bench.room import Room
from tests.support.images import busybox_rootfs

IMAGE = "bench:latest"
CGROUPS = Path("/sys/fs/cgroup")


class Engine:
    """`with Corral(folder) as engine:`. `socket` is None where there is no daemon."""

    name = ""
    programs: Sequence[str] = ()  # without which there is nothing to measure
    socket: Path | None = None
    options: Sequence[str] = ()  # which `create` and `run` get in addition

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.room = Room(self.folder)

    @classmethod
    def missing(cls) -> list[str]:
        """The programs that are not installed here."""
        return [program for program in cls.programs if not shutil.which(program)]

    def __enter__(self) -> Engine:
        self.room.__enter__()
        try:
            (self.folder / "config").mkdir()
            (self.folder / "config/config.json").write_text("{}")  # podman wants it to be there
            self.start()
            self.cli("import", "-", IMAGE, input=busybox_rootfs())
            self.cli("run", "--rm", *self.options, IMAGE, "true")  # the first run is never a typical one
            self.room.settle()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self.room.__exit__()
            for hierarchy in [CGROUPS, *CGROUPS.glob("*")]:
                _remove_cgroup(hierarchy / self.cgroup)

    @property
    def cgroup(self) -> str:
        return f"corral-bench-{self.name}-{os.getpid()}"

    def start(self) -> None:
        """Start the daemon, if there is one; return when it answers."""

    def stop(self) -> None:
        """End it in its own way. What is left ends with the room."""

    def argv(self, *words: str) -> list[str]:
        """The command as a user would type it."""
        return ["docker", *words]

    def cli(self, *words: str, input: bytes = b"") -> bytes:
        """Run the engine's command to its end; its output.

        :raises RuntimeError: it failed, with its words; or it takes more than a minute.
        """
        try:
            done = subprocess.run(self.argv(*words), input=input, capture_output=True, timeout=60, env=self.env())
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self.name}: {' '.join(words)}: not done after a minute") from None
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(words)}: exit {done.returncode}\n{done.stderr.decode()}")
        return done.stdout

    def env(self) -> dict[str, str]:
        """The environment of the command: this daemon's socket, and nothing of the user's configuration."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "NOTIFY_"))}
        return kept | {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.folder / "config"),
            "DOCKER_BUILDKIT": "0",
        }

    def api(self) -> Api:
        """A connection of its own to the daemon."""
        assert self.socket is not None
        return Api(self.socket)

    def version(self) -> str:
        return self.cli("version", "--format", "{{.Server.Version}}").decode().strip()


class Corral(Engine):
    name = "corral"
    programs = ("docker",)

    def start(self) -> None:
        self.socket = self.folder / "root/run/docker.sock"
        self._corral("up", "--detach", "--kubernetes=false")  # dockerd and podman have none, either

    def stop(self) -> None:
        self._corral("down", "--all")

    def _corral(self, *words: str) -> None:
        command = [sys.executable, "-m", "corral.cli", "--root", str(self.folder / "root"), *words]
        subprocess.run(self.room.inside(command), check=True, stdout=subprocess.DEVNULL, timeout=180, env=self.env())


class Dockerd(Engine):
    name = "dockerd"
    programs = ("dockerd", "containerd", "docker")

    def start(self) -> None:
        self.socket = self.folder / "docker.sock"
        (self.folder / "daemon.json").write_text("{}")  # or it would read the host's
        with open(self.folder / "log", "wb") as log:
            self._daemon = subprocess.Popen(
                self.room.inside(self._arguments()), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dockerd does not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _arguments(self) -> list[str]:
        """Its own bridge with NAT, in the room's network."""
        flags = {
            "data-root": self.folder / "data",
            "exec-root": self.folder / "exec",
            "pidfile": self.folder / "pid",
            "host": f"unix://{self.socket}",
            "config-file": self.folder / "daemon.json",
            "cgroup-parent": f"/{self.cgroup}",
            "exec-opt": "native.cgroupdriver=cgroupfs",
            "log-level": "warn",
        }
        return ["dockerd", *(f"--{flag}={value}" for flag, value in flags.items())]

    def _answers(self) -> bool:
        try:
            self.api().call("GET", "/version")
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self._daemon.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._daemon.wait(timeout=30)


class Podman(Engine):
    name = "podman"
    programs = ("podman", "conmon")

    @property
    def options(self) -> Sequence[str]:  # type: ignore[override]
        return ("--cgroup-parent", f"/{self.cgroup}")

    def start(self) -> None:
        """There is no daemon. The network's configuration is a copy of what the host has by default, if anything."""
        networks = self.folder / "networks"
        shutil.copytree("/etc/cni/net.d", networks) if Path("/etc/cni/net.d").is_dir() else networks.mkdir()
        (self.folder / "cni").mkdir()
        if Path("/var/lib/cni").is_dir():  # where its network plugins note addresses
            subprocess.run(self.room.inside(["mount", "--bind", str(self.folder / "cni"), "/var/lib/cni"]), check=True)

    def argv(self, *words: str) -> list[str]:
        places = {
            "root": "root",
            "runroot": "runroot",
            "tmpdir": "tmp",
            "volumepath": "volumes",
            "network-config-dir": "networks",
        }
        flags = [f"--{flag}={self.folder / place}" for flag, place in places.items()]
        runtime = ["--runtime=runc"] if shutil.which("runc") else []  # crun refuses hosts with both cgroup versions
        own = ["--cgroup-manager=cgroupfs", "--events-backend=file", "--storage-driver=overlay", "--log-level=error"]
        return self.room.inside(["podman", *flags, *runtime, *own, *words])

    def version(self) -> str:
        return str(json.loads(self.cli("version", "--format", "json"))["Client"]["Version"])


ENGINES: Sequence[type[Engine]] = (Corral, Dockerd, Podman)


def _remove_cgroup(path: Path) -> None:
    for folder, _, _ in os.walk(path, topdown=False):
        with suppress(OSError):
            os.rmdir(folder)
