"""`python -m corral.daemon`, as `corral` and unit files start it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("words", [["serve", "--help"], ["serve", "-h"], ["--help"]])
def test_who_asks_for_help_starts_nothing(tmp_path: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "corral.daemon", *words, "--root", str(tmp_path / "i")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: corral daemon ROLE [OPTIONS]\n") and "--ready-fd N" in done.stdout
    assert not (tmp_path / "i").exists()
