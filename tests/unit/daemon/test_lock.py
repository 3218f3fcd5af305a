"""One daemon for each instance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from corral.cli.instance import Instance, daemon_pid
from corral.daemon.lock import InstanceLock
from corral.errors import Conflict

HOLD = """
import sys
from corral.cli.instance import Instance
from corral.daemon.lock import InstanceLock
lock = InstanceLock(Instance(sys.argv[1]))
lock.take()
print("held", flush=True)
sys.stdin.read()
if sys.argv[2] == "release": lock.release()
"""


def holder(root: Path, end: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(root), end]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "held\n"
    return child


@pytest.mark.parametrize("end", ["release", "die"])
def test_the_lock_lives_as_long_as_its_holder(tmp_path: Path, end: str) -> None:
    instance = Instance(str(tmp_path))
    assert daemon_pid(instance) == 0
    child = holder(tmp_path, end)
    assert daemon_pid(instance) == child.pid
    with pytest.raises(Conflict, match=f"pid {child.pid}"):
        InstanceLock(instance).take()
    if end == "die":
        child.kill()
    child.communicate()
    assert daemon_pid(instance) == 0
    assert os.path.exists(instance.pid_file) == (end == "die")
    ours = InstanceLock(instance)
    ours.take()
    assert Path(instance.pid_file).read_text() == f"{os.getpid()}\n"
    ours.release()
    assert not os.path.exists(instance.pid_file)


def test_a_full_disk_does_not_keep_the_lock_from_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    instance = Instance(str(tmp_path))
    lock = InstanceLock(instance)
    monkeypatch.setattr(os, "write", full)
    lock.take()
    monkeypatch.undo()
    assert Path(instance.pid_file).read_text() == ""
    lock.release()
    assert not Path(instance.pid_file).exists()
