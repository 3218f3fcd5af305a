"""An isolated instance of Corral: its own root under /tmp, its own socket, and a proof that it leaves nothing.

Paths are short on purpose: a unix socket's path has at most 107 bytes.
"""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.endpoint import Endpoint
from tests.support.leaks import Footprint
from tests.support.wait import PATIENCE, eventually

# What may stay in DIR/run once everything is down: the file whose lock says whether a daemon runs.
QUIET_FILES = frozenset({"corral.pid"})
# A test's container is no database that needs ten seconds to end, and a full disk is no failure of a test's.
SETTINGS = 'stop-timeout = 1\nkubernetes-eviction-hard = "none"\n'


def corral_command() -> list[str]:
    """How to run `corral` of this checkout: beside the interpreter that runs the tests, or from PATH."""
    beside = Path(sys.executable).parent / "corral"
    if beside.exists():
        return [str(beside)]
    found = shutil.which("corral")
    assert found, "the corral command is not installed: run ./dev setup"
    return [found]


class Instance(Endpoint):
    """One instance. `up` and `down` may be called again and again; `flags` go to each `corral up`."""

    def __init__(self, root: Path, *flags: str) -> None:
        super().__init__("corral", root / "run/docker.sock", root)
        self._config = root.with_name(root.name + "-client")
        self.root = root
        self.flags = flags

    # -- life --------------------------------------------------------------------------------------------------

    def corral(
        self, *args: str, timeout: float = 90 * PATIENCE, check: bool = False, input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `corral --root ROOT ARGS`."""
        argv = [*corral_command(), "--root", str(self.root), *args]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=input, env=self._env())
        if check:
            assert done.returncode == 0, f"corral {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    @staticmethod
    def _env() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "NOTIFY_"))}

    def up(self, *flags: str) -> None:
        """Start the daemon and return when it answers."""
        given = (*self.flags, *flags)
        if not any(flag.startswith("--kubernetes") for flag in given):
            given = ("--kubernetes=false", *given)  # what is not tested costs each start some tenths of a second
        elif not any(flag.startswith("--kubernetes-eviction-hard") for flag in given):
            given = ("--kubernetes-eviction-hard=none", *given)  # that the disk is full is no failure of a test's
        done = self.corral("up", "--detach", *given)
        assert done.returncode == 0, f"corral up: exit {done.returncode}\n{done.stderr}{self.log[-3000:]}"
        assert self.get("/_ping", version="").status == 200

    def down(self, *, everything: bool = False) -> None:
        """End the daemon; with `everything` all of the instance that runs."""
        self.forget_client()
        self.corral("down", *(["--all"] if everything else []), check=True, timeout=180 * PATIENCE)

    @property
    def pid(self) -> int:
        """The daemon's process id. :raises FileNotFoundError: it is down."""
        return int((self.root / "run/corral.pid").read_text())

    @property
    def log(self) -> str:
        """What the daemon logged."""
        return (self.root / "corral.log").read_text(errors="replace")

    def kill_daemon(self) -> None:
        """SIGKILL, and wait until it is gone."""
        pid = self.pid
        pidfd = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGKILL)
            select.select([pidfd], [], [], 30)
        finally:
            os.close(pidfd)
        self.forget_client()

    def restart_daemon(self, *flags: str) -> None:
        """End the daemon in its own way and start it again; the containers go on."""
        self.down()
        self.up(*flags)

    # -- proof -------------------------------------------------------------------------------------------------

    @property
    def volatile(self) -> Path:
        """Where the daemon keeps what need not survive a boot."""
        return Path(f"/run/corral-{self._digest[:8]}")

    @property
    def _digest(self) -> str:
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()

    @property
    def words(self) -> list[str]:
        """What the names of everything that is this instance's own have in them: its paths, and four hex digits."""
        tag = self._digest[:4]
        mark = hashlib.sha256(f"corral {tag}".encode()).hexdigest()[:5]
        links = [
            f"{kind}{mark}" for kind in ("c", "cn", "cx", "s", "t", "v")
        ]  # cables, bridges, what joins them, tunnels
        return [f"{self.root}/", str(self.volatile), f"cr-{tag}", f"corral_{tag}", f"corral-{tag}", *links]

    def footprint(self) -> Footprint:
        return Footprint.of(self.words)

    def leftovers(self) -> list[str]:
        """Files that should not outlive `down --all`."""
        places = (self.root / "run", self.volatile)
        files = (path for place in places if place.is_dir() for path in place.rglob("*"))
        return sorted(str(path) for path in files if path.name not in QUIET_FILES)

    def assert_clean(self, before: Footprint) -> None:
        """Nothing of the instance is left on the host. Call after `down(everything=True)`."""
        eventually(
            lambda: not self.footprint().beyond(before), lambda: f"nothing leaks: {self.footprint().beyond(before)}"
        )
        assert self.leftovers() == []

    def unsettled(self) -> str:
        """What containers have on the host now, and the end of the daemon's log: for messages."""
        now = self.footprint()
        return f"mounts {sorted(now.mounts)}, processes {sorted(now.processes)}\n{self.log[-3000:]}"

    def settled(self) -> tuple[int, int]:
        """(mounts, processes) of the containers, for a comparison before and after one test."""
        now = self.footprint()
        return len(now.mounts), len([line for line in now.processes if "conmon" in line])


@contextmanager
def instance(*flags: str, image: bool = True, root: Path | None = None, settings: str = SETTINGS) -> Iterator[Instance]:
    """A running instance with the busybox image, torn down and checked at the end.

    `settings` is its file of settings.
    """
    made = root or Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
    made.mkdir(exist_ok=True)
    (made / "config.toml").write_text(settings)
    subject = Instance(made, *flags)
    before = subject.footprint()
    host_before = Footprint.of_host() if strict() else None
    try:
        subject.up()
        if image:
            subject.import_image()
        yield subject
        subject.down(everything=True)
        subject.assert_clean(before)
        if host_before is not None:
            eventually(
                lambda: not _beyond_noise(host_before),
                lambda: f"the host is as before: {_beyond_noise(host_before)}",
            )
    finally:
        subject.forget_client()
        _remove(subject)


def strict() -> bool:
    """True where nothing else works on the machine, so that every difference counts."""
    return os.environ.get("CORRAL_STRICT_LEAKS", "") == "1"


def _beyond_noise(before: Footprint) -> dict[str, list[str]]:
    found = Footprint.of_host().beyond(before)
    found.pop("processes", None)  # unrelated ones come and go
    return found


def _remove(subject: Instance) -> None:
    """Whatever happened, leave the machine usable: end what runs, unmount, delete."""
    if subject.socket.exists():
        subject.corral("down", "--all", timeout=180 * PATIENCE)
    for line in subject.footprint().processes:
        try:
            os.kill(int(line.split()[0]), signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    for mount in sorted((m for m in subject.footprint().mounts), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False)
    shutil.rmtree(subject.root, ignore_errors=True)
    shutil.rmtree(subject._config, ignore_errors=True)
