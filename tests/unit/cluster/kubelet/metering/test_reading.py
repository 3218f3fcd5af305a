"""What the kernel's files say of memory and of CPU time."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.cluster.kubelet.metering.reading import busy_cpu, node_memory, working_set
from corral.model.stats import CgroupStats


@pytest.mark.parametrize(
    ("version", "name"), [(2, "inactive_file"), (1, "total_inactive_file")], ids=["cgroup v2", "cgroup v1"]
)
def test_the_working_set_is_without_files_nobody_looks_at(version: int, name: str) -> None:
    other = {"inactive_file": 1, "total_inactive_file": 1}
    stats = CgroupStats(version=version, memory_usage=5000, memory_detail={**other, name: 3000})
    assert working_set(stats) == 2000
    assert working_set(CgroupStats(version=version, memory_usage=10, memory_detail={name: 20})) == 0


def test_waiting_for_disks_is_idle_and_time_that_was_stolen_is_not() -> None:
    assert busy_cpu("cpu 0 0 0 500 500 0 0 0 0 0") == 0
    assert busy_cpu("cpu 0 0 0 0 0 0 0 7 0 0") == 70_000_000


def test_this_machine_uses_some_of_what_it_has() -> None:
    text = Path("/proc/meminfo").read_text()
    total = int(text.split()[1]) * 1024
    assert 0 < node_memory(text) < total
    assert busy_cpu(Path("/proc/stat").read_text()) > 0
