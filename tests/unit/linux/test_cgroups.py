from __future__ import annotations

from pathlib import Path

from corral.linux.cgroup_layout import Layout, parse_membership, plan_layout
from corral.linux.cgroup_stats import stats_v1, stats_v2
from corral.linux.cgroups import Cgroups, plan_hand_down
from corral.model.stats import BlockIo

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""


def test_hybrid() -> None:
    layout = plan_layout(HYBRID)
    assert layout.version == "hybrid"
    assert layout.unified == "/sys/fs/cgroup/unified"
    assert layout.controllers == {"cpu", "cpuacct", "memory"}
    assert layout.mounts["name=systemd"] == "/sys/fs/cgroup/systemd"
    assert [r.rpartition("/")[2] for r in layout.roots()] == ["cpu,cpuacct", "memory", "systemd"]


def test_only_systemds_named_tree_beside_v2_is_v2() -> None:
    lines = "1 0 0:1 / /cg rw - cgroup2 cgroup2 rw\n2 1 0:2 / /cg/systemd rw - cgroup cgroup rw,name=systemd\n"
    layout = plan_layout(lines, "cpu io memory pids")
    assert layout.version == "v2"
    assert layout.roots() == ["/cg"]
    assert layout.controllers == {"cpu", "io", "memory", "pids"}


def test_v1_without_v2() -> None:
    assert plan_layout("\n".join(HYBRID.splitlines()[:3])).version == "v1"


def test_membership() -> None:
    assert parse_membership("0::/system.slice/x.service\n") == {"": "/system.slice/x.service"}


def test_hand_down_only_what_containers_use() -> None:
    assert plan_hand_down(["cpu", "misc", "dmem"], set()) == ["cpu"]


V2 = {
    "cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 4\nnr_throttled 2\nthrottled_usec 7\n",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n7:1 \n",
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n",
    "memory.stat": "anon 1024\ninactive_file 512\n",
    "pids.current": "2\n",
    "pids.max": "100\n",
}


def test_stats_v2() -> None:
    sample = stats_v2(lambda _, name: V2.get(name, ""))
    assert (sample.cpu_total, sample.cpu_user, sample.cpu_system) == (1_500_000, 1_000_000, 500_000)
    assert (sample.throttling_periods, sample.throttled_periods, sample.throttled_time) == (4, 2, 7000)
    assert (sample.memory_usage, sample.memory_limit, sample.memory_fail_count) == (4096, 0, 1)
    assert sample.memory_detail["inactive_file"] == 512
    assert (sample.pids, sample.pids_limit) == (2, 100)
    assert sample.io_bytes[1] == BlockIo(8, 0, "write", 20)
    assert sample.io_operations[0].value == 1


V1 = {
    "cpuacct.usage": "2000000\n",
    "cpuacct.usage_percpu": "1500000 500000 \n",
    "cpuacct.stat": "user 3\nsystem 4\n",
    "memory.limit_in_bytes": "9223372036854771712\n",
    "memory.usage_in_bytes": "8192\n",
    "pids.max": "max\n",
    "blkio.throttle.io_service_bytes": "8:0 Read 5\n8:0 Write 6\n8:0 Total 11\nTotal 11\n",
}


def test_stats_v1() -> None:
    sample = stats_v1(lambda _, name: V1.get(name, ""))
    assert sample.cpu_total == sum(sample.per_cpu) == 2_000_000
    assert (sample.cpu_user, sample.cpu_system) == (30_000_000, 40_000_000)
    assert (sample.memory_usage, sample.memory_limit, sample.pids_limit) == (8192, 0, 0)
    assert [io.value for io in sample.io_bytes] == [5, 6, 11]
    assert [io.operation for io in sample.io_bytes] == ["Read", "Write", "Total"], "as the kernel and dockerd spell it"


def test_stats_of_a_group_that_is_gone_are_zero(tmp_path: Path) -> None:
    cgroups = Cgroups(Layout("v2", {"memory": str(tmp_path)}, str(tmp_path)))
    assert cgroups.stats("/gone").memory_usage == 0
    assert cgroups.oom_kills("/gone") == 0
    assert cgroups.pids("/gone") == []


def test_paths() -> None:
    v1 = Cgroups(plan_layout(HYBRID))
    assert v1.path("/a/b", "memory") == "/sys/fs/cgroup/memory/a/b"
    assert v1.paths("/a")[0] == "/sys/fs/cgroup/cpu,cpuacct/a"
    v2 = Cgroups(Layout("v2", {"memory": "/cg"}, "/cg"))
    assert v2.path("/a", "memory") == v2.path("/a") == "/cg/a"
