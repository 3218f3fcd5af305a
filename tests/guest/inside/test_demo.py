"""Inside the guest: the main job, as `./dev demo` shows it, on systemd and pure cgroup v2."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.instance import instance
from tests.support.ports import free_port
from tests.support.wait import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(600)]
CHECKOUT = Path(__file__).resolve().parents[3]


def test_a_fleet_is_replaced_with_no_request_lost() -> None:
    registry = f"127.0.0.1:{free_port()}"
    with instance("--kubernetes=true", "--registry", registry) as engine:
        words = [sys.executable, "-m", "demo", str(engine.root), registry, str(PATIENCE)]
        limit = 100 * PATIENCE
        done = subprocess.run(words, capture_output=True, text=True, timeout=limit, cwd=CHECKOUT, env=dict(os.environ))
        last = done.stdout.strip().rpartition("\n")[2]
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        found = re.fullmatch(r"0 failed of (\d+)", last)
        assert found and int(found[1]) > 100, done.stdout
