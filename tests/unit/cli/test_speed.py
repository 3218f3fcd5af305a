"""A command must feel instant: what it may import, and what it may cost."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

HEAVY = {"asyncio", "argparse", "subprocess", "http.client", "urllib.parse", "typing", "dataclasses", "ssl", "msgspec"}
BUDGET = 0.060  # seconds of CPU, interpreter included
RUNS = 5


@pytest.mark.parametrize("words", ["ps", "run busybox", "exec a b", "logs x", "stop x", "images", "inspect x"])
def test_imports_of_the_hot_verbs(words: str) -> None:
    program = (
        f"import sys; from corral.cli.main import main; main({words.split()!r}); print(*sys.modules, file=sys.stdout)"
    )
    environ = {**os.environ, "CORRAL_ROOT": "/nonexistent/corral"}
    command = [sys.executable, "-I", "-c", "import sys; sys.path[:0] = " + repr(sys.path) + "\n" + program]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    before = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True
    )
    loaded = set(done.stdout.split()) - set(before.stdout.split())
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("corral.")} <= {n for n in loaded if n.startswith("corral.cli")}


def test_ps_costs_little() -> None:
    """The best of some runs: others may be at work on this machine, and CPU time is all that counts."""
    costs = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "corral.cli", "ps"],
            capture_output=True,
            env={**os.environ, "CORRAL_ROOT": "/nonexistent/corral"},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(costs) < BUDGET
