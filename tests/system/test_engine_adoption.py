"""A daemon that ends or is killed, and the next one: containers go on, and what happened meanwhile is known."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.cgroups import folder
from tests.support.endpoint import frames
from tests.support.instance import Instance
from tests.support.outside import ask_tcp
from tests.support.wait import PATIENCE, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

COUNT = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done"


def _start_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[19]


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_container_outlives_its_daemon(fresh: Instance, how: str) -> None:
    identity = fresh.run("sh", "-c", COUNT)
    pid = fresh.inspect(identity)["State"]["Pid"]
    began = _start_of(pid)
    fresh.kill_daemon() if how == "killed" else fresh.down()
    assert _start_of(pid) == began, "it runs while nobody looks"
    fresh.up()
    state = fresh.inspect(identity)["State"]
    assert (state["Status"], state["Pid"]) == ("running", pid) and _start_of(pid) == began
    assert fresh.execute(identity, "echo", "adopted") == (0, "adopted\n")
    assert fresh.post(f"/containers/{identity}/stop", query={"t": 0}).status == 204
    lines = fresh.output(identity).splitlines()
    assert lines == [str(number) for number in range(len(lines))], "no line is lost"


def test_an_exit_while_the_daemon_was_dead_is_known(fresh: Instance) -> None:
    identity = fresh.run("sh", "-c", "while [ ! -e /go ]; do sleep 0.02; done; echo last words; exit 42")
    pid = fresh.inspect(identity)["State"]["Pid"]
    fresh.kill_daemon()
    with open(f"/proc/{pid}/root/go", "w"):
        pass
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "it ended")
    eventually(lambda: not fresh.settled()[1], "its monitor has written how, and ended")
    ended = time.time()
    fresh.up()
    assert fresh.wait(identity) == 42
    state = fresh.inspect(identity)["State"]
    known = ended + 0.01  # a file's time may be behind by a tick of the kernel: so much is added to it
    assert datetime.fromisoformat(state["FinishedAt"]).timestamp() <= known, "when, too"
    assert (state["Status"], state["ExitCode"], state["Running"]) == ("exited", 42, False)
    assert fresh.output(identity) == "last words\n"
    assert fresh.post(f"/containers/{identity}/start").status == 204, "and it starts again"


def test_restart_policies_after_a_death_of_both(fresh: Instance) -> None:
    names = {"always": "always", "unless": "unless-stopped", "never": "no"}
    for name, policy in names.items():
        fresh.run("sleep", "1000", name=name, HostConfig={"RestartPolicy": {"Name": policy}})
    fresh.run("sleep", "1000", name="halted", HostConfig={"RestartPolicy": {"Name": "unless-stopped"}})
    fresh.post("/containers/halted/stop", query={"t": 0})
    pids = [fresh.inspect(name)["State"]["Pid"] for name in names]
    fresh.kill_daemon()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    fresh.up()
    for name in ("always", "unless"):
        # Until its monitor has told how it ended, the old one is taken to run.
        came = lambda name=name: fresh.inspect(name)["State"]["Pid"] not in (0, *pids)  # noqa: E731
        eventually(came, f"{name} came back")
    assert fresh.wait("never") == 137
    assert fresh.inspect("never")["State"]["Status"] == "exited"
    assert fresh.inspect("never")["State"]["ExitCode"] == 137
    assert fresh.inspect("halted")["State"]["Status"] == "exited"


def test_a_lost_monitor_is_told_as_such(fresh: Instance) -> None:
    """The monitor is killed with the daemon: the container is found, and its end is not mistaken for success."""
    identity = fresh.run("sleep", "1000")
    pid = fresh.inspect(identity)["State"]["Pid"]
    monitors = subprocess.run(["pgrep", "-f", f"conmon.*{identity}"], capture_output=True, text=True).stdout.split()
    fresh.kill_daemon()
    for monitor in monitors:
        os.kill(int(monitor), signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    fresh.up()
    assert fresh.wait(identity) != 0
    state = fresh.inspect(identity)["State"]
    assert state["Status"] == "exited" and state["ExitCode"] != 0


def test_published_ports_and_addresses_stay(fresh: Instance) -> None:
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "28095"}]}
    server = ("nc", "-ll", "-p", "80", "-e", "echo", "hello")
    identity = fresh.run(*server, ExposedPorts={"80/tcp": {}}, HostConfig={"PortBindings": bindings})
    before = fresh.inspect(identity)["NetworkSettings"]
    eventually(lambda: ask_tcp("127.0.0.1", 28095) == b"hello\n", "an answer")
    fresh.kill_daemon()
    fresh.up()
    after = fresh.inspect(identity)["NetworkSettings"]
    assert after["Ports"] == before["Ports"]
    assert after["Networks"]["bridge"]["IPAddress"] == before["Networks"]["bridge"]["IPAddress"]
    eventually(lambda: ask_tcp("127.0.0.1", 28095) == b"hello\n", "an answer")
    other = fresh.run("sleep", "100")
    assert (
        fresh.inspect(other)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        != (before["Networks"]["bridge"]["IPAddress"])
    ), "the address is still taken"
    loser = fresh.create("true", ExposedPorts={"80/tcp": {}}, HostConfig={"PortBindings": bindings})
    assert "port is already allocated" in fresh.post(f"/containers/{loser}/start").message


def test_health_is_watched_again(fresh: Instance) -> None:
    check = {"Test": ["CMD", "test", "-e", "/well"], "Interval": 150_000_000, "Retries": 1}
    identity = fresh.run("sh", "-c", "touch /well; sleep 1000", Healthcheck=check)
    eventually(lambda: fresh.inspect(identity)["State"]["Health"]["Status"] == "healthy", "healthy")
    fresh.kill_daemon()
    fresh.up()
    fresh.execute(identity, "rm", "/well")
    eventually(lambda: fresh.inspect(identity)["State"]["Health"]["Status"] == "unhealthy", "unhealthy")


def test_limits_and_pauses_stay(fresh: Instance) -> None:
    identity = fresh.run("sleep", "1000", HostConfig={"Memory": 64 << 20})
    fresh.post(f"/containers/{identity}/pause")
    fresh.kill_daemon()
    fresh.up()
    assert fresh.inspect(identity)["State"]["Status"] == "paused"
    assert fresh.post(f"/containers/{identity}/unpause").status == 204
    assert fresh.post(f"/containers/{identity}/update", {"Memory": 32 << 20, "MemorySwap": -1}).status == 200


def test_follow_and_attach_work_after_adoption(fresh: Instance) -> None:
    script = "echo before; while [ ! -e /go ]; do sleep 0.02; done; echo after; exit 3"
    identity = fresh.run("sh", "-c", script, OpenStdin=True)
    eventually(lambda: fresh.output(identity) == "before\n", "the first line")
    fresh.kill_daemon()
    fresh.up()
    connection = fresh.connection()
    connection.request("GET", f"/v1.41/containers/{identity}/logs?stdout=1&follow=1")
    response = connection.getresponse()
    fresh.execute(identity, "touch", "/go")
    assert [data for _, data in frames(response.read())] == [b"before\n", b"after\n"]
    connection.close()
    assert fresh.wait(identity) == 3


def test_down_all_ends_everything_and_keeps_the_state(fresh: Instance) -> None:
    fresh.run("sleep", "1000", name="kept", HostConfig={"Binds": ["vol:/v"]})
    before = fresh.footprint()
    assert before.mounts and before.processes
    fresh.down(everything=True)
    eventually(lambda: not fresh.footprint().processes, "no process is left")
    assert not fresh.footprint().mounts and not fresh.leftovers()
    fresh.up()
    assert fresh.inspect("kept")["State"]["Status"] == "exited"
    assert [volume["Name"] for volume in fresh.get("/volumes").json["Volumes"]] == ["vol"]
    assert fresh.inspect_image("busybox")["RepoTags"] == ["busybox:latest"]
    assert fresh.post("/containers/kept/start").status == 204


def test_down_all_works_without_a_daemon(fresh: Instance) -> None:
    fresh.run("sleep", "1000")
    fresh.kill_daemon()
    fresh.down(everything=True)
    eventually(lambda: not fresh.footprint().processes, "no process is left")
    assert not fresh.footprint().mounts


def test_up_twice_is_refused_and_disturbs_nobody(fresh: Instance) -> None:
    pid = fresh.pid
    second = fresh.corral("up", "--detach")
    assert fresh.pid == pid and fresh.get("/_ping").status == 200
    assert str(pid) in second.stdout + second.stderr


def test_two_instances_live_side_by_side(fresh: Instance) -> None:
    from tests.support.instance import instance

    with instance() as other:
        ours, theirs = fresh.run("sleep", "100", name="same"), other.run("sleep", "100", name="same")
        addresses = {
            engine.inspect("same")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"].rsplit(".", 2)[0]
            for engine in (fresh, other)
        }
        assert len(addresses) == 2, "each has a subnet of its own"
        other.down(everything=True)
        assert fresh.inspect(ours)["State"]["Running"] and ours != theirs
        gateway = fresh.inspect(ours)["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
        assert fresh.execute(ours, "ping", "-c", "1", "-w", "5", gateway)[0] == 0
        other.up()


def test_a_flushed_firewall_is_repaired(fresh: Instance) -> None:
    """Somebody ran `nft flush ruleset`: the next start of a container, or at the latest of the daemon, repairs it."""
    tables = fresh.footprint().tables
    assert tables
    for table in tables:
        subprocess.run(["nft", "delete", *table.split()], check=True)
    fresh.kill_daemon()
    fresh.up()
    assert fresh.footprint().tables == tables


def test_the_daemon_is_quick_to_come_up_with_many(fresh: Instance) -> None:
    for _ in range(10):
        fresh.run("sleep", "1000", HostConfig={"NetworkMode": "none"})
    fresh.kill_daemon()
    begun = time.monotonic()
    fresh.up()
    assert time.monotonic() - begun < 30 * PATIENCE
    assert len(fresh.get("/containers/json").json) == 10


def test_what_was_half_made_in_a_paused_container_hinders_no_start(fresh: Instance) -> None:
    """In a frozen cgroup of v1 SIGKILL ends nothing before the container goes on."""
    identity = fresh.run("sleep", "1000")
    procs = folder(fresh.inspect(identity)["State"]["Pid"], "freezer") / "cgroup.procs"
    place = fresh.volatile / "e" / ("e" * 64)
    place.mkdir()
    stand_in = textwrap.dedent(f"""
        import os, sys
        child = os.fork()
        if not child:
            os.setsid()
            os.execvp("sh", ["sh", "-c", "while :; do sleep 1; done", "--pid-file", "{place}/pid"])
        print(child, flush=True)
        os.execvp("sh", ["sh", "-c", "while :; do sleep 1; done", "{place}"])
    """)
    monitor = subprocess.Popen([sys.executable, "-c", stand_in], stdout=subprocess.PIPE, text=True)
    assert monitor.stdout is not None
    half_made = int(monitor.stdout.readline())
    try:
        for pid in (monitor.pid, half_made):  # frozen before that it would be nobody that the daemon knows
            eventually(lambda pid=pid: Path(f"/proc/{pid}/comm").read_text() == "sh\n", "it is what it stands for")
        (place / "monitor").write_text(str(monitor.pid))
        procs.write_text(str(half_made))
        assert fresh.post(f"/containers/{identity}/pause").status == 204
        fresh.kill_daemon()
        fresh.up()
        assert fresh.inspect(identity)["State"]["Status"] == "paused"
        monitor.wait(60 * PATIENCE)
        assert fresh.post(f"/containers/{identity}/unpause").status == 204
        eventually(lambda: not os.path.exists(f"/proc/{half_made}"), "it ends when its container goes on")
    finally:
        monitor.kill()
        monitor.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill(half_made, signal.SIGKILL)
