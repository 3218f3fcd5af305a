"""A dockerd to compare with: Debian's, on its own root, socket, bridge and containerd; nothing of the host's is used.

It is started by hand, never as a service, and ended by its process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.endpoint import Endpoint
from tests.support.wait import eventually

BRIDGE = "crpeer0"
SUBNET = "172.31.250.1/24"


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=not check)


class Dockerd(Endpoint):
    """`with Dockerd(folder) as peer:` starts it, imports nothing, and ends it. `bridge` False means none."""

    def __init__(self, folder: Path, *, bridge: bool = True) -> None:
        super().__init__("dockerd", folder / "docker.sock", folder)
        self.folder = folder
        self.bridge = bridge
        self.pid = 0

    def arguments(self) -> list[str]:
        """dockerd's argument vector. Pure."""
        network = ["--bridge", BRIDGE] if self.bridge else ["--bridge", "none"]
        return [
            "dockerd",
            *("--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")),
            *(
                "--pidfile",
                str(self.folder / "dockerd.pid"),
                "--host",
                self.url,
                "--config-file",
                str(self.folder / "daemon.json"),
            ),
            *("--iptables=false", "--ip6tables=false", "--ip-masq=false", "--log-level", "warn"),
            *network,
        ]

    def __enter__(self) -> Dockerd:
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in ("data", "exec"):
            (self.folder / folder).mkdir(exist_ok=True)
        (self.folder / "daemon.json").write_text("{}")  # or it would read the host's
        if self.bridge:
            _ip("link", "del", BRIDGE, check=False)
            _ip("link", "add", BRIDGE, "type", "bridge")
            _ip("address", "add", SUBNET, "dev", BRIDGE)
            _ip("link", "set", BRIDGE, "up")
        with open(self.folder / "dockerd.log", "wb") as log:
            # Its own session: a ^C at the tests' terminal must end the tests first.
            self._process = subprocess.Popen(
                self.arguments(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.pid = self._process.pid
        try:
            eventually(self._ready, f"dockerd answers; see {self.folder}/dockerd.log", seconds=60, step=0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"dockerd ended: {(self.folder / 'dockerd.log').read_text()[-2000:]}")
        return self.get("/_ping").status == 200

    def __exit__(self, *_: object) -> None:
        self.forget_client()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._end_shims()
        if self.bridge:
            _ip("link", "del", BRIDGE, check=False)
        for mount in reversed(_mounts_under(str(self.folder))):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_shims(self) -> None:
        """Whatever still runs and was started with our folder in its command line."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    line = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if line.startswith(b"containerd") and os.fsencode(self.folder) in line:
                    os.kill(int(entry.name), signal.SIGKILL)


def _mounts_under(path: str) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [point for point in (line.split()[4] for line in lines) if point.startswith(path + "/")]
