"""A process that takes too much memory ends with a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.memory import Guard, resident
from tests.support.wait import eventually

CHECKOUT = Path(__file__).resolve().parents[3]
TAKES = """
import time
from tests.support.memory import Guard

def take_ever_more(all_of_it):
    while True:
        all_of_it.append(bytearray(1 << 20))
        time.sleep(0.001)

guard = Guard(most=256 << 20)
take_ever_more([])
"""


@pytest.mark.timeout(60)
def test_the_stack_is_shown_before_the_end() -> None:
    env = os.environ | {"PYTHONPATH": f"{CHECKOUT}/src:{CHECKOUT}"}
    done = subprocess.run([sys.executable, "-c", TAKES], env=env, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert "more than 256. It stands at:" in done.stderr and "in take_ever_more" in done.stderr


def test_who_takes_little_is_left_alone() -> None:
    guard = Guard()
    pid = guard.pid
    assert resident(os.getpid()) > 0 and resident(pid) > 0
    guard.end()
    eventually(lambda: not resident(pid), "the guard has gone")
