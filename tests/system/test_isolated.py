"""What an instance for tests does differently from one for work."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from corral.testing import Isolated
from tests.support.images import busybox_rootfs
from tests.support.instance import Instance
from tests.support.wait import eventually
from tests.system.test_kubernetes import Admin

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@pytest.mark.parametrize(("flags", "kept"), [((), 0), (("--kubernetes-eviction-hard=memory.available<7Mi",), 7 * 1024)])
def test_it_evicts_nobody_unless_it_is_told_to(flags: tuple[str, ...], kept: int) -> None:
    """What is below a threshold is not there for pods: so the node says which thresholds it has."""
    with Isolated(*flags) as corral:
        admin = Admin(Instance(corral.root))

        def sizes() -> list[int]:
            """Of the node's memory: all, and what pods may have; none before its kubelet has spoken."""
            status = admin.ask("GET", "/api/v1/nodes")["items"][0].get("status") or {}
            known = [status[key] for key in ("capacity", "allocatable") if key in status]
            return [int(one["memory"].removesuffix("Ki")) for one in known]

        eventually(lambda: len(sizes()) == 2, "the node says what it has", seconds=60)
        capacity, allocatable = sizes()
        assert capacity - allocatable == kept


LIVES = """
import sys, time
from corral.testing import Isolated
corral = Isolated("--kubernetes=false")
corral.start()
print(corral.root, corral.pid, flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_goes_when_the_next_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    command, pipe = [sys.executable, "-c", LIVES], subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as dead,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as alive,
    ):
        assert dead.stdout and alive.stdout and alive.stdin
        left, pid = dead.stdout.readline().split()
        kept, other = alive.stdout.readline().split()
        handle = os.pidfd_open(int(pid))
        dead.kill()
        dead.wait()
        with Isolated("--kubernetes=false"):
            assert not Path(left).exists() and Path(kept).exists()
            assert select.select([handle], [], [], 0)[0], "its daemon has ended"
            os.kill(int(other), 0)
        os.close(handle)
        alive.kill()
        alive.wait()
    with Isolated("--kubernetes=false"):
        assert not Path(kept).exists()


def test_what_is_thrown_away_is_not_waited_for(tmp_path: Path) -> None:
    """Not even for what asks for a day of grace, as pods ask for half a minute."""
    rootfs = tmp_path / "busybox.tar"
    rootfs.write_bytes(busybox_rootfs())
    with Isolated("--kubernetes=false") as corral:
        corral.corral("import", str(rootfs), "busybox:latest")
        corral.corral("run", "--detach", "--stop-timeout=86400", "busybox", "sleep", "86400")  # deaf: it is process 1
        root = corral.root
    assert not root.exists()
