"""What an isolated instance is before anything of it runs, and what it never loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from corral.errors import HostError
from corral.testing import Isolated


def test_what_was_not_started_says_so() -> None:
    corral = Isolated("--kubernetes=false")
    for ask in (lambda: corral.pid, lambda: corral.docker_host, lambda: corral.corral("ps"), corral.kill):
        with pytest.raises(HostError, match="was not started"):
            ask()
    corral.stop()  # there is nothing to end


def test_it_says_who_may_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(HostError, match="run these tests with sudo"):
        Isolated().start()


def test_pytest_is_loaded_by_the_plugin_alone() -> None:
    code = "import sys, corral.testing, corral.cli.main; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
