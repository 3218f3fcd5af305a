"""The program that only waits: it runs, takes no time, and leaves no dead children."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
from pathlib import Path

import pytest

from corral.cluster.kubelet.worker.pause_program import program
from corral.errors import Unsupported
from tests.support.wait import eventually


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no program for this machine")
def test_it_waits_and_ignores_the_ends_of_children(tmp_path: Path) -> None:
    path = tmp_path / "pause"
    path.write_bytes(program(platform.machine()))
    path.chmod(0o755)
    process = subprocess.Popen([path])
    try:
        status = Path(f"/proc/{process.pid}/status")

        def ignored() -> int:
            line = next(one for one in status.read_text().splitlines() if one.startswith("SigIgn"))
            return int(line.split()[1], 16)

        eventually(lambda: ignored() >> (signal.SIGCHLD - 1) & 1, "it ignores SIGCHLD")
        eventually(lambda: "S (sleeping)" in status.read_text(), "it sleeps")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_another_machine_is_named() -> None:
    with pytest.raises(Unsupported, match="not offered on mips"):
        program("mips")
