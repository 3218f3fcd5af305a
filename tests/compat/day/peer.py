"""The same day with a real dockerd: in a process and in namespaces of its own, so that it can go on beside other tests.

The subnets and the ports that the day asks for are those of Corral's day, so the two must not meet. Three steps ask for
drivers that do not exist, and dockerd looks for each of them for a quarter of a minute.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path

from tests.compat.day.script import Answers, live
from tests.compat.day.step import Outcome
from tests.support.dockerd import Dockerd

CHECKOUT = Path(__file__).resolve().parents[3]
SECONDS = 900


def day_with_dockerd(client: str) -> Answers:
    """What a dockerd answers this client.

    :raises AssertionError: it could not be started.
    """
    with tempfile.TemporaryDirectory(prefix="corral-day-peer-") as folder:
        answers = Path(folder) / "answers.json"
        alone = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.compat.day.peer"]
        env = os.environ | {"PYTHONPATH": f"{CHECKOUT}/src:{CHECKOUT}"}
        command = [*alone, client, folder, str(answers)]
        done = subprocess.run(command, timeout=SECONDS, cwd=CHECKOUT, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(answers.read_text())
    return {name: Outcome(*answer) for name, answer in found.items()}


def main(client: str, folder: str, answers: str) -> None:
    """Write what a dockerd in `folder` answers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # dockerd is ended, too
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with Dockerd(Path(folder) / "dockerd") as peer:
        found = live(peer, client)
    Path(answers).write_text(json.dumps({name: astuple(outcome) for name, outcome in found.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
