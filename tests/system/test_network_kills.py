"""SIGKILL amid 500 random operations on networks, volumes and containers; afterwards the host is as before.

The operations and what must hold in between are in `tests.support.network_work`; CORRAL_SEED repeats a run.
"""

from __future__ import annotations

import random
import subprocess
import time

import pytest

from tests.support.instance import Instance, instance
from tests.support.kills import failures_of_threads, kill_amid, seeded, told
from tests.support.network_work import Known, Quota, Work, check

OPERATIONS = 500
KILLS = 12
WORKERS = 3
LATE = 0.05  # seconds after an operation's begin by which the kill comes

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]


def _round(engine: Instance, known: Known, chance: random.Random) -> None:
    quota = Quota(OPERATIONS // KILLS)

    def moment() -> None:
        assert quota.reached.wait(60), "operations hang"
        time.sleep(chance.uniform(0, LATE))

    kill_amid(engine, [Work(engine, known, quota, chance.getrandbits(64)) for _ in range(WORKERS)], moment)
    check(engine, known)


def _rules_of_others() -> list[str]:
    """The elements of a table that is not ours."""
    shown = subprocess.run(["nft", "list", "table", "inet", TABLE], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()


TABLE = "bystander"


@pytest.fixture
def bystander() -> object:
    """A table of somebody's own, which must stay as it is."""
    made = f"add table inet {TABLE}; add set inet {TABLE} s {{ type ipv4_addr; elements = {{ 192.0.2.1 }}; }}"
    subprocess.run(["nft", made], check=True)
    before = _rules_of_others()
    yield
    after = _rules_of_others()
    subprocess.run(["nft", f"delete table inet {TABLE}"], check=True)
    assert after == before


@pytest.mark.usefixtures("bystander")
def test_networks_and_volumes_outlive_kills_and_nothing_leaks(capsys: pytest.CaptureFixture[str]) -> None:
    seed, chance = seeded()
    known = Known()
    begun = time.monotonic()
    with failures_of_threads() as failures, instance() as engine:
        for number in range(KILLS):
            with told(engine, capsys, f"kill {number + 1} of {KILLS}, CORRAL_SEED={seed}"):
                _round(engine, known, chance)
                assert not failures, failures[0]
    with capsys.disabled():
        took = time.monotonic() - begun
        print(f"\n{OPERATIONS} operations and {KILLS} kills in {took:.0f} s, CORRAL_SEED={seed}")
