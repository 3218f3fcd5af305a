"""Letting containers join and leave: whose network it is."""

from __future__ import annotations

import os
import subprocess

import pytest

from corral.engine.networking import network_of
from corral.errors import Conflict
from corral.linux.proc import start_time
from corral.model.container import Container, ContainerSpec, State


def record(pid: int, start: int) -> Container:
    return Container("1", "a", 0, "i", ContainerSpec("x"), state=State("running", pid=pid, pid_start=start))


def test_the_network_of_a_process_that_runs() -> None:
    with network_of(record(os.getpid(), start_time(os.getpid()))) as netns:
        assert os.fstat(netns).st_ino == os.stat("/proc/self/ns/net").st_ino


def test_a_process_that_has_just_ended_has_none() -> None:
    with subprocess.Popen(["true"]) as ended:
        start = start_time(ended.pid)
    with pytest.raises(Conflict, match="container 1 is not running"), network_of(record(ended.pid, start)):
        pass


def test_the_network_of_a_process_that_has_the_number_by_now_is_left_alone() -> None:
    with pytest.raises(Conflict, match="container 1 is not running"), network_of(record(os.getpid(), 1)):
        pass
