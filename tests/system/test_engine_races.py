"""What happens at the same time to one container, on the real kernel."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest

from corral.linux.limits import parse_kernel
from corral.linux.proc import parent
from tests.support.endpoint import Answer, Endpoint
from tests.support.instance import Instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

POLITE = ("sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done")


def _together(*calls: object) -> list[Answer]:
    """The answers of calls that begin at the same moment."""
    barrier = threading.Barrier(len(calls))

    def one(call: object) -> Answer:
        barrier.wait()
        return call()  # type: ignore[operator, no-any-return]

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_a_removal_during_a_start_leaves_nothing_running(engine: Endpoint) -> None:
    for _ in range(8):
        identity = engine.create("sleep", "1000")
        started, removed = _together(
            lambda i=identity: engine.post(f"/containers/{i}/start"),
            lambda i=identity: engine.delete(f"/containers/{i}"),
        )
        exists = engine.get(f"/containers/{identity}/json")
        if removed.status == 204:  # it came first
            assert exists.status == 404 and started.status in (404, 409)
        else:
            assert removed.status == 409 and started.status == 204
            assert exists.json["State"]["Running"]
            assert engine.delete(f"/containers/{identity}", query={"force": 1}).status == 204


def test_forced_removals_starts_and_stops_at_once(engine: Endpoint) -> None:
    for _ in range(6):
        identity = engine.run(*POLITE)
        answers = _together(
            lambda i=identity: engine.post(f"/containers/{i}/restart", query={"t": 0}),
            lambda i=identity: engine.delete(f"/containers/{i}", query={"force": 1}),
            lambda i=identity: engine.post(f"/containers/{i}/stop", query={"t": 0}),
            lambda i=identity: engine.post(f"/containers/{i}/rename", query={"name": f"r{i[:8]}"}),
            lambda i=identity: engine.post(f"/containers/{i}/update", {"Memory": 64 << 20, "MemorySwap": 64 << 20}),
        )
        assert all(answer.status < 500 for answer in answers), answers
        engine.delete(f"/containers/{identity}", query={"force": 1})
        assert engine.get(f"/containers/{identity}/json").status == 404


def test_two_restarts_of_one_that_removes_itself_keep_it(engine: Endpoint) -> None:
    identity = engine.run(*POLITE, HostConfig={"AutoRemove": True})
    _together(*[lambda: engine.post(f"/containers/{identity}/restart", query={"t": 0})] * 3)
    assert engine.inspect(identity)["State"]["Running"]
    engine.post(f"/containers/{identity}/kill")
    eventually(lambda: engine.get(f"/containers/{identity}/json").status == 404, "then it removes itself")


@pytest.mark.parametrize("verb", ["stop", "kill", "remove"])
def test_a_stopped_monitor_notices_the_end(fresh: Instance, verb: str) -> None:
    identity = fresh.run("sleep", "1000")
    monitor = parent(fresh.inspect(identity)["State"]["Pid"])
    os.kill(monitor, signal.SIGSTOP)
    if verb == "remove":
        answer = fresh.delete(f"/containers/{identity}", query={"force": 1})
    else:
        answer = fresh.post(f"/containers/{identity}/{verb}", query={"t": 0} if verb == "stop" else None)
    assert answer.status == 204, answer.message
    if verb != "remove":
        assert fresh.inspect(identity)["State"]["ExitCode"] == 137


# Its exit code is the kernel's to tell then: always from Linux 6.15 on, else only until init has looked at it.
KNOWN = {137} if parse_kernel(os.uname().release) >= (6, 15) else {137, 255}


def test_the_end_is_told_though_the_monitor_was_killed(fresh: Instance) -> None:
    identity = fresh.run("sleep", "1000")
    kept = fresh.run("sleep", "1000", HostConfig={"RestartPolicy": {"Name": "always"}})
    monitors = [int(line.split()[0]) for line in fresh.footprint().processes if "conmon" in line]
    assert len(monitors) == 2
    first = fresh.inspect(kept)["State"]["Pid"]
    for pid in monitors:
        os.kill(pid, signal.SIGKILL)
    assert fresh.inspect(identity)["State"]["Running"], "the process goes on without its monitor"
    os.kill(first, signal.SIGKILL)
    eventually(lambda: fresh.inspect(kept)["State"]["Pid"] not in (0, first), "its restart policy holds")
    assert fresh.post(f"/containers/{identity}/stop", query={"t": 0}).status == 204
    assert fresh.inspect(identity)["State"]["ExitCode"] in KNOWN


def test_one_that_waited_for_its_restart_comes_back_after_a_crash(fresh: Instance) -> None:
    """Killed during the back-off; and one that uses its network comes after it."""
    policy = {"RestartPolicy": {"Name": "always"}}
    donor = fresh.run("sleep", "1000", HostConfig=policy)
    sharer = fresh.run("sleep", "1000", HostConfig=policy | {"NetworkMode": f"container:{donor}"})
    waiting = fresh.run("false", HostConfig=policy)
    eventually(lambda: fresh.inspect(waiting)["RestartCount"] > 4, "its back-off has become long", seconds=60)
    eventually(lambda: fresh.inspect(waiting)["State"]["Restarting"], "it waits")
    pids = [fresh.inspect(identity)["State"]["Pid"] for identity in (sharer, donor)]
    fresh.kill_daemon()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    fresh.up()
    finished = fresh.inspect(waiting)["State"]["FinishedAt"]
    eventually(lambda: fresh.inspect(waiting)["State"]["FinishedAt"] != finished, "it was started again")
    # Until their monitors have told how they ended, the old ones are taken to run.
    runs = lambda: fresh.inspect(sharer)["State"]["Pid"] not in (0, *pids)  # noqa: E731
    eventually(runs, "the one that shares a network too")
    assert os.readlink(f"/proc/{fresh.inspect(sharer)['State']['Pid']}/ns/net") == os.readlink(
        f"/proc/{fresh.inspect(donor)['State']['Pid']}/ns/net"
    )


def test_one_that_was_frozen_for_a_commit_is_thawed_by_the_next_daemon(fresh: Instance) -> None:
    identity = fresh.run("sh", "-c", "head -c 300000000 /dev/zero > /big; while :; do echo x; sleep 0.02; done")
    eventually(lambda: "x" in fresh.output(identity), "it has something to commit", seconds=60)
    commit = threading.Thread(target=lambda: _quietly(fresh, identity))
    commit.start()
    pid = fresh.inspect(identity)["State"]["Pid"]
    eventually(lambda: _stopped_while_frozen(fresh.pid, pid), "the commit has frozen it", step=0, seconds=60)
    fresh.kill_daemon()
    commit.join()
    assert _frozen(pid)
    fresh.up()
    eventually(lambda: not _frozen(pid), "it goes on")
    assert fresh.inspect(identity)["State"]["Status"] == "running"


def _stopped_while_frozen(daemon: int, pid: int) -> bool:
    """Lets the daemon work for a moment unless the container is frozen: then it stays stopped, and cannot thaw it."""
    os.kill(daemon, signal.SIGSTOP)
    eventually(lambda: Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")
    if _frozen(pid):
        return True
    os.kill(daemon, signal.SIGCONT)
    time.sleep(0.01)
    return False


def _quietly(engine: Endpoint, identity: str) -> None:
    try:
        engine.post("/commit", {}, query={"container": identity})
    except OSError:
        return  # killed, as it was meant to be


def _frozen(pid: int) -> bool:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "freezer":
            return "FROZEN" in Path(f"/sys/fs/cgroup/freezer{path}/freezer.state").read_text()
        state = Path(f"/sys/fs/cgroup{path}/cgroup.freeze")
        if not controllers and state.exists():
            return state.read_text().strip() == "1"
    return False


def test_a_shared_network_loses_its_cable_with_the_owner(engine: Endpoint) -> None:
    """Otherwise the next container would get an address that somebody still answers for."""
    owner = engine.run("sleep", "1000")
    sharer = engine.run("sleep", "1000", HostConfig={"NetworkMode": f"container:{owner}"})
    pid = engine.inspect(sharer)["State"]["Pid"]
    assert "eth0" in Path(f"/proc/{pid}/net/dev").read_text()
    engine.post(f"/containers/{owner}/kill")
    assert "eth0" not in Path(f"/proc/{pid}/net/dev").read_text()
    assert engine.inspect(sharer)["State"]["Running"]


def test_processes_of_a_shared_pid_namespace_go_with_the_container(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "sleep 1000 & echo up; exec sleep 2000", HostConfig={"PidMode": "host"})
    eventually(lambda: "up" in engine.output(identity), "it has a second process")
    pids = [int(row[1]) for row in engine.get(f"/containers/{identity}/top").json["Processes"]]
    assert len(pids) == 2
    os.kill(engine.inspect(identity)["State"]["Pid"], signal.SIGKILL)
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "both are gone")
    assert engine.post(f"/containers/{identity}/start").status == 204


def test_an_attach_in_the_middle_of_a_start_sees_the_output(engine: Endpoint) -> None:
    for delay in (0, 0.01, 0.02, 0.03, 0.04, 0.06):
        # It ends when all was seen: what a terminal said last may be lost with its last user.
        script = "while [ ! -e /go ]; do sleep 0.02; done; echo seen; while [ ! -e /over ]; do sleep 0.02; done"
        identity = engine.create("sh", "-c", script, Tty=True)
        start = threading.Thread(target=engine.post, args=(f"/containers/{identity}/start",))
        start.start()
        time.sleep(delay)
        connection = engine.connection()
        connection.request("POST", f"/v1.41/containers/{identity}/attach?stream=1&stdout=1")
        response = connection.getresponse()
        start.join()
        assert engine.execute(identity, "touch", "/go")[0] == 0
        assert response.readline() == b"seen\r\n", delay
        assert engine.execute(identity, "touch", "/over")[0] == 0
        assert response.read() == b"", delay
        connection.close()


def test_an_exec_session_of_a_dead_daemon_leaves_no_directory(fresh: Instance) -> None:
    identity = fresh.run("sleep", "1000")
    session = fresh.post(f"/containers/{identity}/exec", {"Cmd": ["sleep", "2000"]}).json["Id"]
    assert fresh.post(f"/exec/{session}/start", {"Detach": True}).status == 200
    directory = fresh.volatile / "e" / session
    assert directory.is_dir()
    fresh.kill_daemon()
    fresh.up()
    assert directory.is_dir(), "it still runs"
    fresh.delete(f"/containers/{identity}", query={"force": 1})
    eventually(lambda: not directory.exists(), "it went with its container")


def test_waiters_are_told_of_every_end(engine: Endpoint) -> None:
    """Also of one that is removed before it ever ran, and of one that cannot start."""
    for condition in ("not-running", "next-exit", "removed"):
        identity = engine.create("nope", HostConfig={"AutoRemove": condition == "removed"})
        with _waiter(engine, identity, condition) as told:
            assert engine.post(f"/containers/{identity}/start").status == 400
            answer = json.loads(told.read())
            assert "StatusCode" in answer
            # `docker run` has heard why from the start: it prints an error of its wait beside that.
            assert condition != "next-exit" or answer == {"StatusCode": 127}
        engine.delete(f"/containers/{identity}", query={"force": 1})
        identity = engine.create("true")
        with _waiter(engine, identity, condition) as told:
            engine.delete(f"/containers/{identity}")
            assert "StatusCode" in json.loads(told.read())


@contextmanager
def _waiter(engine: Endpoint, identity: str, condition: str) -> Iterator[HTTPResponse]:
    """An answer whose headers have come: it waits. Its body says how the wait ended."""
    connection = engine.connection()
    try:
        connection.request("POST", f"/v1.41/containers/{identity}/wait?condition={condition}")
        response = connection.getresponse()
        assert response.status == 200
        yield response
    finally:
        connection.close()


def test_a_storm_leaks_no_descriptor(fresh: Instance) -> None:
    """Starts that fail at each of their steps, execs that fail, clients that leave."""
    fresh.docker("run", "--rm", "busybox", "true", check=True)
    descriptors = Path(f"/proc/{fresh.pid}/fd")
    eventually(lambda: fresh.settled() == (0, 0), "it is quiet")
    before = len(os.listdir(descriptors))
    running = fresh.run("sleep", "1000")
    for round in range(6):
        for wrong in (
            {"Cmd": ["nope"]},
            {"User": "nobody-knows-them"},
            {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "203.0.113.1", "HostPort": "80"}]}}},
            {"HostConfig": {"NetworkMode": f"container:{running}", "IpcMode": f"container:{running}"}},
            {"HostConfig": {"Sysctls": {"net.nosuch": "1"}}},
        ):
            body = {"Image": "busybox:latest", "Cmd": ["true"], **wrong}
            identity = fresh.post("/containers/create", body).json["Id"]
            assert fresh.post(f"/containers/{identity}/start").status >= 400, wrong
            fresh.delete(f"/containers/{identity}")
        refused = {"Image": "busybox:latest", "Cmd": ["true"], "WorkingDir": "/etc/passwd"}
        assert fresh.post("/containers/create", refused).status == 400, "it is half made when that is seen"
        session = fresh.post(f"/containers/{running}/exec", {"Cmd": ["nope"], "AttachStdout": True}).json["Id"]
        fresh.post(f"/exec/{session}/start", {"Detach": False, "Tty": bool(round % 2)})
        connection = fresh.connection()
        connection.request("POST", f"/v1.41/containers/{running}/attach?stream=1&stdout=1", headers={})
        connection.getresponse()
        connection.close()
    fresh.delete(f"/containers/{running}", query={"force": 1})
    eventually(lambda: fresh.settled() == (0, 0), "it is quiet again")
    eventually(lambda: len(os.listdir(descriptors)) <= before, lambda: f"as many as before: {_links(descriptors)}")


def _links(descriptors: Path) -> str:
    return json.dumps(sorted(os.readlink(path) for path in descriptors.iterdir() if path.is_symlink()))
