"""The pytest plugin as its users have it: installed beside pytest, xdist, docker-py, testcontainers and kubernetes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.ahead import Work
from tests.support.images import busybox_rootfs
from tests.support.leaks import Footprint
from tests.support.tools import knows_localhost
from tests.support.venvs import environment
from tests.support.wait import eventually

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
PACKAGES = ("-e", str(CHECKOUT), "pytest>=8", "pytest-xdist>=3", "docker>=7", "kubernetes>=30", "testcontainers>=4,<5")

PYTHON = Work(lambda: environment(CHECKOUT / ".cache", "testing", PACKAGES))

pytestmark = [
    *(pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)),
    pytest.mark.ahead.with_args(PYTHON),
]


def _pytest(folder: Path, *words: str) -> str:
    """Runs the sample in a folder without settings: what it prints."""
    knows_localhost()
    rootfs = folder / "busybox.tar"
    rootfs.write_bytes(busybox_rootfs())
    shutil.copy(HERE / "sample_clients.py", folder / "test_clients.py")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DOCKER_"))}
    done = subprocess.run(
        [str(PYTHON()), "-m", "pytest", "-q", *words, "test_clients.py"],
        env=env | {"ROOTFS": str(rootfs), "TMPDIR": str(folder / "tmp")},
        capture_output=True, text=True, timeout=240, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _left(folder: Path) -> Footprint:
    return Footprint.of([str(folder)])


def test_clients_of_all_kinds_in_two_workers(tmp_path: Path) -> None:
    short = Path("/tmp") / f"cr-x{os.getpid()}"  # a socket's path is short
    (short / "tmp").mkdir(parents=True)
    try:
        found = re.search(r"(\d+) passed", _pytest(short, "-n", "2"))
        assert found and int(found[1]) == 8
        eventually(lambda: not any(vars(_left(short)).values()), lambda: f"nothing is left: {_left(short)}")
        assert list((short / "tmp").glob("corral-*")) == []
    finally:
        subprocess.run(["rm", "-rf", str(short)], check=True)
