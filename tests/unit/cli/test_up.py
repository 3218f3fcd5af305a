"""`up`, and a daemon that was killed a moment ago."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from corral.cli.fail import Failure
from corral.cli.instance import Instance
from corral.cli.session import Session
from corral.cli.verbs.daemon import living_daemon
from corral.daemon.serve import check_no_node
from corral.errors import Conflict

# Holds the lock and listens, as a daemon does; whoever asks is not answered, and then it ends.
DYING = """
import fcntl, os, socket, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(lock, fcntl.LOCK_EX)
os.write(lock, b"%d" % os.getpid())
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
listener.listen()
print(flush=True)
listener.accept()[0].close()
if sys.argv[3] == "stays":
    sys.stdin.read()
"""


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    found = Instance(str(tmp_path))
    os.mkdir(found.run)
    return found


def _daemon(instance: Instance, what: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", DYING, instance.pid_file, instance.socket, what]
    daemon = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert daemon.stdout and daemon.stdout.readline() == b"\n"
    return daemon


def test_where_none_is_none_lives(instance: Instance) -> None:
    assert living_daemon(Session(instance)) == 0


def test_one_that_is_about_to_be_gone_is_waited_for(instance: Instance) -> None:
    with _daemon(instance, "ends"):
        assert living_daemon(Session(instance)) == 0


def test_one_that_does_not_answer_and_stays_is_up(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.cli.verbs.daemon.ENDING", 0)
    with _daemon(instance, "stays") as daemon:
        assert living_daemon(Session(instance)) == daemon.pid
        assert daemon.stdin
        daemon.stdin.close()


def test_a_machine_that_has_joined_is_started_as_a_node(instance: Instance) -> None:
    """A server there would take its pods' containers over."""
    check_no_node(instance)
    assert instance.start_command.endswith("up --detach")
    identity = Path(instance.node_identity)
    identity.parent.mkdir()
    identity.touch()
    with pytest.raises(Conflict, match=f"corral --root {instance.root} node --detach starts it as its node again"):
        check_no_node(instance)
    with pytest.raises(Failure, match=f"Start it: sudo corral --root {instance.root} node --detach"):
        Session(instance).client.call("GET", "/info")
