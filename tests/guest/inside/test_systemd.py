"""Inside the guest: Corral as a service of systemd, on pure cgroup v2. A restart of the service kills no container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.guest.inside.service import SCOPE, UNIT, endpoint, install, run, show, systemctl
from tests.support.cgroups import PURE_V2
from tests.support.endpoint import Endpoint
from tests.support.leaks import Footprint
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(240)]

CGROUPS = Path("/sys/fs/cgroup")
COUNT = ("sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done")


@pytest.fixture(scope="module")
def before() -> Footprint:
    """The host without the service; another instance may be up."""
    return Footprint.of_host()


@pytest.fixture(scope="module")
def service(before: Footprint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The default instance, started by systemd as the shipped unit says."""
    install()
    systemctl("enable", "--now", "corral")  # as the unit's own words say
    engine = endpoint(tmp_path_factory.mktemp("client"))
    assert engine.get("/_ping").status == 200, "active means that it answers: it tells systemd when it does"
    engine.import_image()
    yield engine
    systemctl("disable", "--now", "corral")
    run("corral", "reset", "--yes")
    UNIT.unlink()
    systemctl("daemon-reload")


def _pid(service: Endpoint, identity: str) -> int:
    return int(service.inspect(identity)["State"]["Pid"])


def _parent(pid: int | str) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]


def _group(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::")


def _another_daemon(service: Endpoint, main: str) -> None:
    eventually(lambda: show("MainPID") not in ("0", main), "another daemon", seconds=60)
    eventually(lambda: show("ActiveState") == "active", "it is active", seconds=60)
    assert service.get("/_ping").status == 200, "active means that it answers"


def test_this_is_the_host_that_most_users_have(service: Endpoint) -> None:
    assert PURE_V2 and Path("/run/systemd/system").is_dir()
    info = service.get("/info").json
    assert (info["DefaultRuntime"], info["CgroupVersion"]) == ("crun", "2")
    warnings = [line for line in service.docker("info", check=True).stdout.splitlines() if "WARNING" in line]
    assert not warnings


def test_the_doctor_finds_nothing_wrong(service: Endpoint) -> None:
    report = run("corral", "doctor").splitlines()
    assert report[0].startswith("Corral ") and f"up (pid {show('MainPID')})" in report[0]
    found = {line[10:].partition(":")[0]: line for line in report[1:]}
    assert [line for line in report[1:] if not line.startswith("  ok ")] == []
    assert "v2, controllers: cpu cpuset" in found["cgroups"] and "delegates a scope in corral.slice" in found["cgroups"]
    assert "crun " in found["runtimes"] and "runc " in found["runtimes"]
    assert found["runtime"].endswith("crun: it starts containers faster than runc")
    assert "conmon 2" in found["monitor"] and "tini" in found["init"] and "overlay on ext4" in found["storage"]
    assert "seccomp" in found["security"]


@pytest.mark.parametrize("how", ["restart", "stop and start", "kill"])
def test_no_container_ends_with_the_service(service: Endpoint, how: str) -> None:
    identity = service.run(*COUNT)
    pid, main = _pid(service, identity), show("MainPID")
    monitor = _parent(pid)
    if how == "restart":
        systemctl("restart", "corral")
    elif how == "kill":
        systemctl("kill", "-s", "KILL", "corral")  # every process in its group; Restart=on-failure brings it back
    else:
        systemctl("stop", "corral")
        assert show("ActiveState") == "inactive"
        assert os.path.exists(f"/proc/{pid}") and os.path.exists(f"/proc/{monitor}")
        systemctl("start", "corral")
    _another_daemon(service, main)
    state = service.inspect(identity)["State"]
    assert (state["Status"], state["Pid"]) == ("running", pid)
    assert Path(f"/proc/{monitor}/comm").read_text() == "conmon\n"
    assert service.execute(identity, "echo", "alive") == (0, "alive\n")
    seen = len(service.output(identity))
    eventually(lambda: len(service.output(identity)) > seen, "its log goes on")
    assert service.post(f"/containers/{identity}/stop", query={"t": 0}).status == 204
    lines = service.output(identity).splitlines()
    assert lines == [str(number) for number in range(len(lines))], "no line is lost"


def test_containers_live_in_a_slice_of_their_own(service: Endpoint) -> None:
    identity = service.run("sleep", "1000")
    pid = _pid(service, identity)
    monitor = int(_parent(pid))
    assert _group(pid) == f"/corral.slice/{SCOPE}/{identity}"
    assert _group(monitor).startswith(f"/corral.slice/{SCOPE}/")
    assert show("ControlGroup") == "/corral.slice/corral.service"
    main = show("MainPID")  # systemd ends a service's own group with the service: it and its workers are there
    inside = (CGROUPS / "corral.slice/corral.service/cgroup.procs").read_text().split()
    assert main in inside
    for one in (pid for pid in inside if pid != main):
        with suppress(FileNotFoundError, ProcessLookupError):  # a worker that has done its work meanwhile
            assert _parent(one) == main, inside
    assert show("Delegate", SCOPE) == "yes", "systemd knows that these groups are not its own"
    assert show("OOMPolicy", SCOPE) == "continue", "it would end all containers with one that wants too much memory"
    limits = [(CGROUPS / f"corral.slice{below}/pids.max").read_text() for below in ("", f"/{SCOPE}")]
    assert limits == ["max\n", "max\n"], "systemd's default is a few thousand for all containers together"
    tree = run("systemd-cgls", "--no-pager", "--full", "--unit", SCOPE)
    assert identity in tree and f"{pid} sleep 1000" in tree and "conmon" in tree, tree


def test_limits_are_in_the_files(service: Endpoint) -> None:
    limits = {"Memory": 64 << 20, "MemorySwap": 64 << 20, "NanoCpus": 500_000_000, "CpuShares": 512, "PidsLimit": 77}
    identity = service.run("sleep", "1000", HostConfig=limits)
    folder = CGROUPS / _group(_pid(service, identity)).lstrip("/")

    def found(name: str) -> str:
        return (folder / name).read_text().strip()

    assert found("memory.max") == str(64 << 20)
    assert found("memory.swap.max") == "0"
    assert found("cpu.max") == "50000 100000"
    assert found("pids.max") == "77"
    update = {"Memory": 128 << 20, "MemorySwap": 128 << 20, "NanoCpus": 250_000_000}
    assert service.post(f"/containers/{identity}/update", update).status == 200
    assert (found("memory.max"), found("cpu.max")) == (str(128 << 20), "25000 100000")
    systemctl("daemon-reload")
    systemctl("restart", "corral")
    assert (found("memory.max"), found("cpu.max")) == (str(128 << 20), "25000 100000"), "nobody else sets them"


def test_one_out_of_memory_is_alone_with_it(service: Endpoint) -> None:
    """systemd watches for processes killed for want of memory, and may stop a whole unit for one."""
    other = service.run("sleep", "1000")
    limits = {"Memory": 16 << 20, "MemorySwap": 16 << 20}
    eater = service.run("sh", "-c", "tail /dev/zero", HostConfig=limits)
    service.wait(eater)
    assert service.inspect(eater)["State"]["OOMKilled"]
    assert service.inspect(other)["State"]["Running"] and show("ActiveState", SCOPE) == "active"


def test_containers_hear_nothing_of_the_service_manager(service: Endpoint) -> None:
    """A runtime that finds NOTIFY_SOCKET in its environment hands the socket on, and waits for an answer."""
    code, said = service.result("sh", "-c", "env; cat /proc/self/mountinfo")
    assert code == 0 and "notify" not in said.lower()


def test_stopped_and_down_leaves_nothing(service: Endpoint, before: Footprint) -> None:
    pid = _pid(service, service.run("sleep", "1000"))
    systemctl("stop", "corral")
    assert os.path.exists(f"/proc/{pid}"), "a stop of the service is no stop of the containers"
    run("corral", "down", "--all")
    assert not os.path.exists(f"/proc/{pid}")
    assert show("ActiveState", SCOPE) == "inactive"
    assert not (CGROUPS / "corral.slice" / SCOPE).exists()
    left = Footprint.of_host().beyond(before)
    assert [left.get(kind) for kind in ("tables", "links", "mounts", "netns")] == [None] * 4
    systemctl("start", "corral")
    assert show("ActiveState", SCOPE) == "active", "there can be another"
