"""Inside the guest: what cgroup v2 does for containers, what they see of it, and what the API tells of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client.builtin import PODS
from corral.cluster.client.protocol import MERGE_PATCH, Collection
from tests.support.cgroups import folder
from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.kubelet import container, is_ready, open_node, state
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(120)]

COUNT = ("sh", "-c", "while :; do echo; sleep 0.02; done")
CLASSES = Collection("node.k8s.io", "v1", "runtimeclasses")
DISK = "/dev/vda"  # the guest's own


def _numbers(separator: str = ":") -> str:
    """The disk's major and minor; the kernel gives out the former as it starts."""
    device = os.stat(DISK).st_rdev
    return f"{os.major(device)}{separator}{os.minor(device)}"


def _group(engine: Endpoint, identity: str) -> Path:
    return folder(engine.inspect(identity)["State"]["Pid"], "")


def _found(group: Path, *names: str) -> list[str]:
    return [(group / name).read_text().strip() for name in names]


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_it_sees_its_own_limits_and_cannot_change_them(engine: Endpoint, runtime: str) -> None:
    """Programs size themselves by these files: a Java its heap, a Go its threads."""
    limits = {"Memory": 64 << 20, "NanoCpus": 1_500_000_000, "PidsLimit": 50, "Runtime": runtime}
    script = "cat /proc/self/cgroup; cd /sys/fs/cgroup; cat memory.max cpu.max pids.max; echo 9 >pids.max; mkdir x"
    code, said = engine.result("sh", "-c", script, HostConfig=limits)
    lines = said.splitlines()
    assert code != 0 and lines[:4] == ["0::/", str(64 << 20), "150000 100000", "50"]
    assert len(lines) == 6 and all("Read-only file system" in line for line in lines[4:]), said


def test_the_host_s_groups_are_seen_if_asked_for(engine: Endpoint) -> None:
    identity = engine.run("sleep", "1000", HostConfig={"CgroupnsMode": "host"})
    _, said = engine.execute(identity, "cat", "/proc/1/cgroup")
    assert said.strip().endswith(f"/{identity}")
    assert engine.inspect(engine.create("true"))["HostConfig"]["CgroupnsMode"] == "private"


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_devices(engine: Endpoint, runtime: str) -> None:
    """There are no device files in v2: the runtime loads a program into the kernel."""
    script = f"mknod /d b {_numbers(' ')} && head -c 1 /d | wc -c"
    assert "Operation not permitted" in engine.result("sh", "-c", script, HostConfig={"Runtime": runtime})[1]
    rules = {"Runtime": runtime, "DeviceCgroupRules": [f"b {_numbers()} rm"]}
    assert engine.result("sh", "-c", script, HostConfig=rules) == (0, "1\n")
    device = {"PathOnHost": DISK, "PathInContainer": "/dev/disk", "CgroupPermissions": "r"}
    reading = "head -c 1 /dev/disk | wc -c; : >>/dev/disk"
    _, said = engine.result("sh", "-c", reading, HostConfig={"Runtime": runtime, "Devices": [device]})
    assert said.startswith("1\n") and "Operation not permitted" in said


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_every_limit_can_change(engine: Endpoint, runtime: str) -> None:
    identity = engine.run("sleep", "1000", HostConfig={"Runtime": runtime, "Memory": 64 << 20})
    group = _group(engine, identity)
    assert _found(group, "memory.max", "memory.swap.max", "cpu.max", "pids.max") == [
        *(str(64 << 20), str(64 << 20), "max 100000", "max")
    ]
    words = ("--memory=96m", "--memory-swap=128m", "--memory-reservation=32m", "--cpus=0.25", "--cpu-shares=512")
    engine.docker("update", *words, "--pids-limit=33", "--cpuset-cpus=1", identity, check=True)
    names = ("memory.max", "memory.swap.max", "memory.low", "cpu.max", "pids.max", "cpuset.cpus")
    assert _found(group, *names) == [str(96 << 20), str(32 << 20), str(32 << 20), "25000 100000", "33", "1"]
    assert _found(group, "cpu.weight")[0] in ("20", "59")  # newer runtimes convert along a curve
    engine.docker("update", "--memory-swap=-1", "--pids-limit=-1", identity, check=True)
    assert _found(group, "memory.max", "memory.swap.max", "pids.max") == [str(96 << 20), "max", "max"]
    inspected = engine.inspect(identity)["HostConfig"]
    assert (inspected["Memory"], inspected["MemorySwap"], inspected["NanoCpus"]) == (96 << 20, -1, 250_000_000)
    engine.docker("restart", "-t", "0", identity, check=True)
    assert _found(_group(engine, identity), *names[:-1]) == [
        *(str(96 << 20), "max", str(32 << 20), "25000 100000", "max")
    ]


def test_reading_and_writing_disks(engine: Endpoint) -> None:
    rate = [{"Path": DISK, "Rate": 1 << 20}]
    limits = {"BlkioDeviceReadBps": rate, "BlkioDeviceWriteIOps": [{"Path": DISK, "Rate": 77}]}
    group = _group(engine, engine.run("sleep", "1000", HostConfig=limits))
    assert _found(group, "io.max") == [f"{_numbers()} rbps={1 << 20} wbps=max riops=max wiops=77"]


def test_stats(engine: Endpoint) -> None:
    busy = "dd if=/dev/zero of=/dev/shm/f bs=1M count=8 2>/dev/null; echo ready; while :; do :; done"
    identity = engine.run("sh", "-c", busy, HostConfig={"Memory": 64 << 20, "NanoCpus": 200_000_000})
    eventually(lambda: engine.output(identity) == "ready\n", "it is at work")
    sample = engine.get(f"/containers/{identity}/stats", query={"stream": 0}).json
    memory, cpu, before = sample["memory_stats"], sample["cpu_stats"], sample["precpu_stats"]
    assert memory["limit"] == 64 << 20 and 8 << 20 < memory["usage"] < 32 << 20
    assert memory["stats"]["shmem"] == 8 << 20 and "inactive_file" in memory["stats"]
    assert not {"max_usage", "failcnt"} & set(memory), "v2 has no such numbers"
    used, of = (cpu["cpu_usage"]["total_usage"], before["cpu_usage"]["total_usage"])
    assert used > of > 0 and cpu["system_cpu_usage"] > before["system_cpu_usage"] > 0
    assert "percpu_usage" not in cpu["cpu_usage"] and cpu["online_cpus"] == os.cpu_count()
    assert cpu["throttling_data"]["throttled_periods"] > 0 and cpu["throttling_data"]["throttled_time"] > 0
    assert sample["pids_stats"]["current"] == 1 and sample["pids_stats"]["limit"] == 2**64 - 1
    assert sample["blkio_stats"]["io_serviced_recursive"] is None and sample["networks"]["eth0"]
    row = engine.docker("stats", "--no-stream", "--format", "{{.CPUPerc}} {{.MemUsage}} {{.PIDs}}", identity).stdout
    percent, _, rest = row.partition("% ")
    assert 2 < float(percent) < 60 and rest.endswith("/ 64MiB 1\n"), row


def test_frozen_is_frozen(engine: Endpoint) -> None:
    identity = engine.run(*COUNT)
    group = _group(engine, identity)
    engine.docker("pause", identity, check=True)
    eventually(lambda: "frozen 1" in (group / "cgroup.events").read_text(), "the kernel says so")
    assert engine.inspect(identity)["State"]["Status"] == "paused"
    refused = engine.docker("exec", identity, "true")
    assert refused.returncode == 1 and "is paused, unpause the container before exec" in refused.stderr
    engine.docker("unpause", identity, check=True)
    seen = len(engine.output(identity))
    eventually(lambda: len(engine.output(identity)) > seen, "it goes on")
    engine.docker("pause", identity, check=True)
    engine.docker("stop", "-t", "0", identity, check=True)  # a frozen process hears no signal: it is thawed
    assert engine.inspect(identity)["State"]["Status"] == "exited"
    eventually(lambda: not group.exists(), "its group is gone")


@contextlib.contextmanager
def _dividing(engine: Endpoint, runtime: str) -> Iterator[str]:
    """A container that makes groups of its own: what systemd, dockerd or a Kubernetes node do in a container."""
    script = "cd /sys/fs/cgroup; mkdir init work; for p in $(cat cgroup.procs); do echo $p >init/cgroup.procs; done"
    script = f"{{ {script}; }} 2>/dev/null"  # the cat that lists them is one of them, and has ended
    script += "; echo +memory +pids >cgroup.subtree_control; echo ready; sleep 1000 & echo $! >work/cgroup.procs; wait"
    identity = engine.run("sh", "-c", script, HostConfig={"Privileged": True, "Runtime": runtime})
    eventually(lambda: engine.output(identity) == "ready\n", lambda: engine.output(identity))
    yield identity
    group = _group(engine, identity)
    engine.docker("rm", "-f", identity, check=True)
    eventually(lambda: not group.exists(), "its groups went with it")


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_one_that_divides_its_group(engine: Endpoint, runtime: str) -> None:
    with _dividing(engine, runtime) as identity:
        group = folder(engine.inspect(identity)["State"]["Pid"], "").parent
        eventually(lambda: (group / "work/cgroup.procs").read_text(), "both groups have a process")
        assert _found(group, "cgroup.procs", "cgroup.subtree_control") == ["", "memory pids"]
        assert engine.execute(identity, "echo", "alive") == (0, "alive\n")
        shown = engine.docker("top", identity, check=True).stdout.splitlines()
        assert sum(line.endswith(" sleep 1000") for line in shown) == 1
        assert engine.get(f"/containers/{identity}/stats", query={"stream": 0, "one-shot": 1}).json["memory_stats"]
        engine.docker("pause", identity, check=True)
        engine.docker("unpause", identity, check=True)
        engine.docker("update", "--memory=64m", "--memory-swap=64m", identity, check=True)
        assert _found(group, "memory.max") == [str(64 << 20)]


def test_a_lack_of_memory_in_an_exec_is_told_at_the_end(engine: Endpoint) -> None:
    identity = engine.run("sleep", "1000", HostConfig={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    assert engine.execute(identity, "tail", "/dev/zero")[0] == 137
    assert engine.inspect(identity)["State"]["Running"]
    engine.docker("stop", "-t", "0", identity, check=True)
    assert engine.inspect(identity)["State"]["OOMKilled"]


def test_a_lack_of_memory_ends_one_process_of_a_container(engine: Endpoint) -> None:
    limits = {"Memory": 16 << 20, "MemorySwap": 16 << 20}
    assert engine.result("sh", "-c", "exec 2>&1; tail /dev/zero; echo $?", HostConfig=limits) == (0, "Killed\n137\n")


@pytest.mark.parametrize("runtime", ["crun", "runc"])
async def test_and_all_of_a_pod_s_also_after_a_resize(runtime: str) -> None:
    group = "cat /sys/fs/cgroup/memory.oom.group /sys/fs/cgroup/memory.max"
    lack = ["sh", "-c", "until [ -e /v/now ]; do sleep 0.1; done; tail /dev/zero; echo survived; sleep 1000"]
    async with open_node() as node:
        await node.client.create(CLASSES, {"metadata": {"name": runtime}, "handler": runtime})
        small, large = ({"limits": {"memory": size}, "requests": {"memory": size}} for size in ("16Mi", "24Mi"))
        main = container(command=lack, resources=small, volumeMounts=[{"name": "v", "mountPath": "/v"}])
        volumes = [{"name": "v", "hostPath": {"path": str(node.base / "v"), "type": "DirectoryOrCreate"}}]
        await node.create("lack", main, restartPolicy="Never", runtimeClassName=runtime, volumes=volumes)
        await node.running("lack")
        assert await node.ask("lack", "sh", "-c", group) == f"1\n{16 << 20}\n"
        patch = {"spec": {"containers": [{**main, "resources": large}]}}
        await node.client.patch(PODS, "lack", "default", patch=patch, type=MERGE_PATCH, subresource="resize")
        await node.until("lack", lambda pod: is_ready(pod) and state(pod).get("resources") == large)
        assert await node.ask("lack", "sh", "-c", group) == f"1\n{24 << 20}\n"
        (node.base / "v/now").touch()
        ended = state(await node.done("lack"))["state"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
        assert "survived" not in await node.logs("lack")


@pytest.mark.parametrize(
    ("limit", "warning"),
    [
        ({"OomKillDisable": True}, "Your kernel does not support OomKillDisable. OomKillDisable discarded."),
        ({"MemorySwappiness": 50}, "memory swappiness capabilities or the cgroup is not mounted. Memory swappiness"),
    ],
)
def test_what_v2_has_not_is_told(engine: Endpoint, limit: dict[str, Any], warning: str) -> None:
    body = {"Image": BUSYBOX, "Cmd": ["true"], "HostConfig": {"Memory": 64 << 20, **limit}}
    made = engine.post("/containers/create", body)
    assert made.status == 201 and len(made.json["Warnings"]) == 1 and warning in made.json["Warnings"][0], made
    assert engine.post(f"/containers/{made.json['Id']}/start").status == 204
    assert engine.wait(made.json["Id"]) == 0
