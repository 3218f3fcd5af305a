"""up, down, down --all, reset, and what they do when the daemon was killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.runtime.choose import KNOWN
from corral.runtime.oci import resolve_program
from tests.support.instance import Instance, corral_command

pytestmark = [pytest.mark.root, pytest.mark.not_in_guest]  # the guest's own tests have the service


@pytest.fixture
def bare() -> Iterator[Instance]:
    """An instance that is not up, whatever the test does with it."""
    root = Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
    made = Instance(root)
    before = made.footprint()
    yield made
    made.forget_client()
    if root.exists():
        made.corral("reset", "--yes", check=True)
    made.assert_clean(before)
    assert not root.exists() or sorted(os.listdir(root)) == []
    shutil.rmtree(root, ignore_errors=True)
    shutil.rmtree(made._config, ignore_errors=True)


def test_up_says_what_to_type_and_down_leaves_containers(bare: Instance) -> None:
    said = bare.corral("up", "--detach", check=True).stdout
    assert f"export DOCKER_HOST=unix://{bare.root}/run/docker.sock" in said
    bare.import_image()
    id = bare.corral("run", "-d", "--stop-timeout", "1", "busybox", "sleep", "1000", check=True).stdout.strip()
    pid = bare.inspect(id)["State"]["Pid"]
    assert "Containers go on" in bare.corral("down", check=True).stdout
    assert os.path.exists(f"/proc/{pid}")
    assert not (bare.root / "run/corral.pid").exists() and not bare.socket.exists()
    assert bare.corral("status").returncode == 3
    assert "was not up" in bare.corral("down", check=True).stdout
    bare.corral("up", "--detach", check=True)
    assert bare.inspect(id)["State"]["Pid"] == pid
    bare.corral("down", "--all", check=True)
    assert not os.path.exists(f"/proc/{pid}")
    bare.corral("up", "--detach", check=True)
    assert bare.inspect(id)["State"]["Status"] == "exited"
    assert len(bare.get("/images/json").json) == 1


# In mounts of its own, where what is in the place of the runtimes cannot be executed.
WITHOUT_RUNTIME = 'for path in $RUNTIMES; do mount --bind /etc/passwd "$path"; done; exec "$@"'


def test_down_all_needs_no_runtime(bare: Instance) -> None:
    """What a runtime made that was uninstalled since is ended by its processes and its cgroup."""
    bare.up()
    bare.import_image()
    made = [
        bare.run("sleep", "1000", StopTimeout=1),
        bare.run("sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"),
    ]
    bare.post(f"/containers/{made[0]}/pause")
    pids = [bare.inspect(id)["State"]["Pid"] for id in made]
    bare.kill_daemon()
    found = " ".join(filter(None, map(resolve_program, KNOWN)))
    hidden = ["unshare", "--mount", "env", f"RUNTIMES={found}", "sh", "-c", WITHOUT_RUNTIME, "sh", *corral_command()]
    words = ["--root", str(bare.root), "down", "--all"]
    done = subprocess.run([*hidden, *words], capture_output=True, text=True)
    assert done.returncode == 0 and "Nothing of this instance runs any more" in done.stdout, done
    assert done.stderr == ""
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    bare.corral("up", "--detach", check=True)
    states = [bare.inspect(id)["State"] for id in made]
    assert [state["Status"] for state in states] == ["exited"] * 2
    assert states[1]["ExitCode"] == 7


@pytest.mark.parametrize("verb", [("down", "--all"), ("reset", "--yes")], ids=" ".join)
def test_a_killed_daemon_is_no_excuse(bare: Instance, verb: tuple[str, ...]) -> None:
    bare.up()
    bare.import_image()
    id = bare.corral(
        "run", "-d", "--stop-timeout", "1", "-p", "127.0.0.1::80", "busybox", "sleep", "1000", check=True
    ).stdout.strip()
    pid = bare.inspect(id)["State"]["Pid"]
    bare.kill_daemon()
    assert os.path.exists(f"/proc/{pid}")
    bare.corral(*verb, check=True)
    assert not os.path.exists(f"/proc/{pid}")
    assert (bare.root / "engine.db").exists() == (verb[0] == "down")


def test_disks_of_somebodys_own_stay_where_they_are_mounted(bare: Instance) -> None:
    disks = [bare.root, bare.root / "volumes"]
    try:
        for disk in disks:
            disk.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "own", disk], check=True)
        bare.up()
        bare.import_image()
        bare.corral("run", "-d", "-v", "data:/data", "busybox", "sh", "-c", "echo 1 >/data/a; sleep 1000", check=True)
        bare.corral("down", "--all", check=True)
        assert all(disk.is_mount() for disk in disks)
        bare.up()
        assert len(bare.get("/images/json").json) == 1 and (bare.root / "volumes/data/_data/a").read_text() == "1\n"
        bare.corral("reset", "--yes", check=True)
        assert all(disk.is_mount() for disk in disks)
        assert os.listdir(bare.root) == ["volumes"] and os.listdir(bare.root / "volumes") == []
    finally:
        for disk in reversed(disks):
            subprocess.run(["umount", "-l", disk], check=True)


def test_down_says_no_more_when_nobody_reads_on(bare: Instance) -> None:
    bare.up()
    line = f"{' '.join(corral_command())} --root {bare.root} down --all | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Corral is down") and done.stderr == ""


def test_down_does_its_work_though_nobody_reads_what_it_says(bare: Instance) -> None:
    bare.up()
    bare.import_image()
    id = bare.corral("run", "-d", "--stop-timeout", "1", "busybox", "sleep", "1000", check=True).stdout.strip()
    pid = bare.inspect(id)["State"]["Pid"]
    line = f"{' '.join(corral_command())} --root {bare.root} down --all | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not os.path.exists(f"/proc/{pid}")


def test_reset_asks(bare: Instance) -> None:
    bare.up()
    done = bare.corral("reset", input="n\n")
    assert done.returncode == 1 and "Nothing was done" in done.stdout
    assert "is up" in bare.corral("status", check=True).stdout


def test_what_stops_it_from_starting_is_said(bare: Instance) -> None:
    bare.root.mkdir(exist_ok=True)
    (bare.root / "config.toml").write_text("log-max-sise = 1\n")
    done = bare.corral("up", "--detach")
    assert done.returncode == 1
    assert "unknown key 'log-max-sise': did you mean 'log-max-size'?" in done.stdout + done.stderr + bare.log
    (bare.root / "config.toml").write_text('runtime = "nope"\n')
    done = bare.corral("up", "--detach")
    assert done.returncode == 1 and "nope" in done.stderr
    done = bare.corral("up", "--detach", "--runtime", "runc", "--userns-remap", "x")
    assert done.returncode == 1 and "no such user" in done.stderr
    for line, message in (('log-level = "loud"', "log-level 'loud': one of"), ('dns = ["x"]', "dns 'x': must be")):
        (bare.root / "config.toml").write_text(line)
        done = bare.corral("up", "--detach")
        assert done.returncode == 1 and message in done.stderr
    (bare.root / "config.toml").unlink()
    assert "did you mean --log-max-size" in bare.corral("up", "--log-max-sise", "1").stderr


@pytest.mark.parametrize("flag", ["--conmon", "--init-path"])
def test_a_program_that_is_set_and_not_there_is_told_at_once(bare: Instance, flag: str) -> None:
    done = bare.corral("up", "--detach", flag, "/nope/program")
    assert done.returncode == 1 and "/nope/program" in done.stderr
    assert bare.corral("status").returncode == 3


def test_two_cannot_have_one_root(bare: Instance) -> None:
    bare.up()
    done = bare.corral("up")
    assert done.returncode == 1 and "is up already" in done.stderr


def test_a_root_with_a_very_long_path() -> None:
    """A unix socket's address has 107 bytes; the place where it lies may be deeper."""
    top = Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
    root = top / ("deep-" * 20) / ("down-" * 20)
    subject = Instance(root)
    before = subject.footprint()
    try:
        subject.corral("up", "--detach", check=True)
        assert "is up (pid" in subject.corral("status", check=True).stdout
        subject.corral("down", "--all", check=True)
        subject.assert_clean(before)
    finally:
        subject.corral("reset", "--yes")
        shutil.rmtree(top, ignore_errors=True)


def test_tcp_needs_no_certificate_on_the_loopback_and_ends_with_the_daemon(bare: Instance) -> None:
    bare.up("--host", "tcp://127.0.0.1:0")
    port = bare.log.partition("tcp://127.0.0.1:")[2].split()[0]
    done = subprocess.run(["docker", "-H", f"tcp://127.0.0.1:{port}", "version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tlsverify" in bare_flags_fail("--host", "tcp://0.0.0.0:0")


def bare_flags_fail(*flags: str) -> str:
    root = tempfile.mkdtemp(prefix="cr-", dir="/tmp")
    try:
        argv = [*corral_command(), "--root", root, "up", "--detach", *flags]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        return done.stderr
    finally:
        shutil.rmtree(root, ignore_errors=True)
