"""What links open where containers are kept apart: the same steps for Corral and for a dockerd, each in network and
mount namespaces of its own, so that a dockerd's rules are nobody else's.

`python -m tests.compat.links.script WHICH FOLDER ANSWERS` writes the answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.dockerd import Dockerd
from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.instance import instance
from tests.support.wait import eventually

CHECKOUT = Path(__file__).resolve().parents[3]
SECONDS = 300
LATE, SOON = 30, 2  # seconds until nobody waits for an answer any more
SERVE = ("sh", "-c", "nc -ll -p 81 -e echo db & exec nc -ll -p 80 -e echo db")
NO_ICC = "com.docker.network.bridge.enable_icc=false"


class _Apart(Dockerd):
    def arguments(self) -> list[str]:
        """A dockerd that has its firewall rules to itself, and uses them."""
        return [word for word in super().arguments() if not word.startswith("--ip")] + ["--icc=false"]


def answers_of(which: str) -> dict[str, bool]:
    """`which` is "dockerd", "corral", or "corral-unfiltered": with bridges whose frames pass no firewall.

    :raises AssertionError: it could not be started.
    """
    with tempfile.TemporaryDirectory(prefix="cr-links-", dir="/tmp") as folder:
        answers = Path(folder) / "answers.json"
        alone = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.compat.links.script"]
        env = os.environ | {"PYTHONPATH": f"{CHECKOUT}/src:{CHECKOUT}"}
        command = [*alone, which, folder, str(answers)]
        done = subprocess.run(command, timeout=SECONDS, cwd=CHECKOUT, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, bool] = json.loads(answers.read_text())
    return found


def main(which: str, folder: str, answers: str) -> None:
    """Write who reaches whom."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the daemon is ended, too
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for path in Path("/proc/sys/net/bridge").glob("bridge-nf-call-ip*"):
        path.write_text("0" if which == "corral-unfiltered" else "1")
    if which == "dockerd":
        with _Apart(Path(folder) / "dockerd") as peer:
            peer.import_image()
            found = _live(peer)
            peer.remove_everything()
    else:
        with instance("--icc=false") as ours:
            found = _live(ours)
    Path(answers).write_text(json.dumps(found))


def _live(engine: Endpoint) -> dict[str, bool]:
    found = {}
    _run(engine, "db", "--expose", "80", command=SERVE)
    _run(engine, "web", "--link", "db:database")
    _run(engine, "other")
    address = _address(engine, "db")
    eventually(lambda: _greeted(engine, "db", address), "db serves")
    found["a link opens an exposed port"] = _greeted(engine, "web", address)
    found["a link opens another port"] = _greeted(engine, "web", address, 81, seconds=SOON)
    found["without a link"] = _greeted(engine, "other", address, seconds=SOON)
    engine.docker("restart", "-t", "0", "db", check=True)
    address = _address(engine, "db")
    eventually(lambda: _greeted(engine, "db", address), "db serves again")
    found["after a restart of the called"] = _greeted(engine, "web", address)
    engine.docker("restart", "-t", "0", "web", check=True)
    found["after a restart of the caller"] = _greeted(engine, "web", address)
    engine.docker("rm", "-f", "web", check=True)
    _run(engine, "heir")
    found["who comes after the caller"] = _greeted(engine, "heir", address, seconds=SOON)
    engine.docker("network", "create", "-o", NO_ICC, "shop", check=True)
    _run(engine, "db2", "--network", "shop", "--expose", "80", command=SERVE)
    address = _address(engine, "db2", "shop")
    eventually(lambda: _greeted(engine, "db2", address), "db2 serves")
    _run(engine, "web2", "--network", "shop", "--link", "db2:database")
    found["a link in a network of one's own"] = _greeted(engine, "web2", address, seconds=SOON)
    return found


def _run(engine: Endpoint, name: str, *options: str, command: tuple[str, ...] = ("sleep", "1000")) -> None:
    engine.docker("run", "-d", "--name", name, *options, BUSYBOX, *command, check=True)


def _address(engine: Endpoint, name: str, network: str = "bridge") -> str:
    return str(engine.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"])


def _greeted(engine: Endpoint, caller: str, address: str, port: int = 80, seconds: int = LATE) -> bool:
    """`seconds`: LATE where an answer is to come, however busy the host is; SOON where none is."""
    done = engine.docker("exec", caller, "nc", "-w", str(seconds), address, str(port))
    assert done.returncode in (0, 1), done
    return done.stdout == "db\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
