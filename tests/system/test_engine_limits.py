"""Limits, as the kernel has them: read from the control groups' own files, on v1 and on v2."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.cgroups import PURE_V2, ROOT, cpu_weight, value
from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

MEMORY = {"v1": "memory.limit_in_bytes", "v2": "memory.max"}


def _pid(engine: Endpoint, **host: Any) -> int:
    return int(engine.inspect(engine.run("sleep", "100", HostConfig=host))["State"]["Pid"])


def test_memory(engine: Endpoint) -> None:
    pid = _pid(engine, Memory=64 << 20, MemoryReservation=32 << 20)
    assert value(pid, "memory", **MEMORY) == str(64 << 20)
    assert value(pid, "memory", v1="memory.soft_limit_in_bytes", v2="memory.low") == str(32 << 20)


def test_memory_swap(engine: Endpoint) -> None:
    pid = _pid(engine, Memory=64 << 20, MemorySwap=96 << 20)
    try:
        found = value(pid, "memory", v1="memory.memsw.limit_in_bytes", v2="memory.swap.max")
    except FileNotFoundError:
        return  # the kernel counts no swap
    assert found == str((32 if PURE_V2 else 96) << 20)


def test_cpus(engine: Endpoint) -> None:
    pid = _pid(engine, NanoCpus=500_000_000)
    assert value(pid, "cpu", v1="cpu.cfs_quota_us", v2="cpu.max").split()[0] == "50000"


def test_cpu_quota_and_shares(engine: Endpoint) -> None:
    pid = _pid(engine, CpuQuota=20_000, CpuPeriod=50_000, CpuShares=512)
    assert value(pid, "cpu", v1="cpu.cfs_quota_us", v2="cpu.max") in ("20000", "20000 50000")
    shares = value(pid, "cpu", v1="cpu.shares", v2="cpu.weight")
    # Newer runtimes convert along a curve: 512 shares are a weight of 59 there.
    assert shares in (("512",) if not PURE_V2 else (str(cpu_weight(512)), "59"))


def test_cpuset(engine: Endpoint) -> None:
    pid = _pid(engine, CpusetCpus="0")
    assert value(pid, "cpuset", v1="cpuset.cpus", v2="cpuset.cpus") == "0"
    assert "Cpus_allowed_list:\t0\n" in Path(f"/proc/{pid}/status").read_text()


def test_pids(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", HostConfig={"PidsLimit": 8})
    pid = engine.inspect(identity)["State"]["Pid"]
    assert value(pid, "pids", v1="pids.max", v2="pids.max") == "8"
    code, text = engine.execute(
        identity, "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 100 >/dev/null 2>&1 & done; wait"
    )
    assert code != 0 and "fork" in text


def test_update_changes_the_kernels_files(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", HostConfig={"Memory": 64 << 20})
    pid = engine.inspect(identity)["State"]["Pid"]
    answer = engine.post(
        f"/containers/{identity}/update", {"Memory": 128 << 20, "MemorySwap": -1, "NanoCpus": 250_000_000}
    )
    assert answer.status == 200, answer
    assert value(pid, "memory", **MEMORY) == str(128 << 20)
    assert value(pid, "cpu", v1="cpu.cfs_quota_us", v2="cpu.max").split()[0] == "25000"


def test_limits_can_be_taken_away(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", HostConfig={"PidsLimit": 8, "CpuQuota": 20_000})
    pid = engine.inspect(identity)["State"]["Pid"]
    for body in ({"PidsLimit": -1}, {"CpuQuota": -1}):
        answer = engine.post(f"/containers/{identity}/update", body)
        assert answer.status == 200, answer
    assert value(pid, "pids", v1="pids.max", v2="pids.max") == "max"
    assert value(pid, "cpu", v1="cpu.cfs_quota_us", v2="cpu.max").split()[0] in ("-1", "max")


def test_no_quota_can_be_asked_for(engine: Endpoint) -> None:
    pid = _pid(engine, CpuQuota=-1)
    assert value(pid, "cpu", v1="cpu.cfs_quota_us", v2="cpu.max").split()[0] in ("-1", "max")


def test_a_cgroup_parent_does_not_lead_out(engine: Endpoint) -> None:
    """It would be a path from the hierarchy's mount point, and files would be written wherever that leads."""
    name = "corral-test-parent"
    identity = engine.run("sleep", "100", HostConfig={"CgroupParent": "../" * 8 + name})
    try:
        shown = Path(f"/proc/{engine.inspect(identity)['State']['Pid']}/cgroup").read_text()
        assert f":/{name}/{identity}" in shown and not Path(f"/{name}").exists()
    finally:
        engine.remove(identity)
        for place in (*ROOT.glob(f"*/{name}"), ROOT / name):
            eventually(lambda place=place: not place.exists() or not list(place.glob("*/")), f"{place} is empty")
            with contextlib.suppress(FileNotFoundError):
                place.rmdir()


def test_out_of_memory_is_reported(engine: Endpoint) -> None:
    hungry = "x=$(head -c 100000000 /dev/zero | tr '\\0' y); echo survived"
    identity = engine.run("sh", "-c", hungry, HostConfig={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    assert engine.wait(identity) == 137
    state = engine.inspect(identity)["State"]
    assert state["OOMKilled"] is True and "survived" not in engine.output(identity)


def test_a_lack_of_memory_is_told_while_the_container_runs(engine: Endpoint) -> None:
    hungry = """sh -c 'x=$(head -c 100000000 /dev/zero | tr "\\0" y); echo survived'; sleep 1000"""
    identity = engine.run("sh", "-c", hungry, HostConfig={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    eventually(lambda: engine.inspect(identity)["State"]["OOMKilled"], "the lack of memory is told")
    assert engine.inspect(identity)["State"]["Running"] is True
    engine.post(f"/containers/{identity}/kill")
    engine.wait(identity)
    now = engine.docker("info", "--format", "{{.SystemTime}}", check=True).stdout.strip()
    words = ["--since", "0", "--until", now, "-f", f"container={identity}", "--format", "{{.Action}}"]
    told = engine.docker("events", *words, check=True).stdout.split()
    assert told.index("oom") < told.index("kill") < told.index("die"), told
    assert engine.inspect(identity)["State"]["OOMKilled"] is True and "survived" not in engine.output(identity)


def test_an_ordinary_kill_is_no_lack_of_memory(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", HostConfig={"Memory": 64 << 20})
    engine.post(f"/containers/{identity}/kill")
    engine.wait(identity)
    assert engine.inspect(identity)["State"]["OOMKilled"] is False


def test_ulimits_and_oom_score(engine: Endpoint) -> None:
    pid = _pid(engine, Ulimits=[{"Name": "nofile", "Soft": 111, "Hard": 222}], OomScoreAdj=300)
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert "Max open files            111                  222" in limits
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "300\n"


@pytest.mark.parametrize("files", [20, 39, 64])
def test_few_open_files(engine: Endpoint, files: int) -> None:
    limits = [{"Name": "nofile", "Soft": files, "Hard": files}]
    identity = engine.run("sh", "-c", "ulimit -n; sleep 1000", HostConfig={"Ulimits": limits})
    assert engine.execute(identity, "sh", "-c", "ulimit -n") == (0, f"{files}\n")
    assert engine.output(identity) == f"{files}\n"


def test_shm_size(engine: Endpoint) -> None:
    code, text = engine.result("df", "-k", "/dev/shm", HostConfig={"ShmSize": 5 << 20})
    assert code == 0 and " 5120 " in text


def test_block_weight_is_taken_or_warned_about(engine: Endpoint) -> None:
    answer = engine.post(
        "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"BlkioWeight": 300}}
    )
    assert answer.status == 201
    assert engine.post(f"/containers/{answer.json['Id']}/start").status == 204


def test_a_cgroup_parent_of_its_own(engine: Endpoint) -> None:
    parent = "/corral-test-parent"
    try:
        pid = _pid(engine, CgroupParent=parent)
        assert f"{parent}/" in Path(f"/proc/{pid}/cgroup").read_text()
    finally:
        engine.remove_everything()
        for root in [ROOT, *filter(Path.is_dir, ROOT.iterdir())]:  # v2 has the group in the first, v1 in the others
            group = root / parent.strip("/")
            eventually(lambda group=group: _gone(group), "the container's group is removed")


def test_a_cgroup_parent_of_a_build(engine: Endpoint) -> None:
    """What is left of it tells: the parent, in which the RUN's own group was."""
    parent = "corral-test-build"
    groups = [root / parent for root in [ROOT, *filter(Path.is_dir, ROOT.iterdir())]]
    try:
        flags = ("build", "--cgroup-parent", f"/{parent}", "--no-cache", "-")
        engine.docker(*flags, input=f"FROM {BUSYBOX}\nRUN true\n", check=True)
        assert any(group.is_dir() for group in groups)
    finally:
        for group in groups:
            eventually(lambda group=group: _gone(group), "the build's group is removed")


def _gone(group: Path) -> bool:
    """Removes the group if nothing is left in it."""
    with contextlib.suppress(FileNotFoundError):
        group.rmdir()
    return not group.exists()
