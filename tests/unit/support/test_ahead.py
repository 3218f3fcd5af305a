"""What is made beside the tests: once, apart from them, and over with the session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.ahead import GRACE, Work
from tests.support.wait import eventually

CHECKOUT = Path(__file__).resolve().parents[3]


def _alive(pid: int) -> bool:
    """Zombies are not: nobody may wait for what a program has started."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _endless(pids: Path) -> None:
    """A program that has started another, and a folder that is removed in the end."""
    try:
        script = f"sleep 1000 & echo $PPID $$ $! >{pids}.part; mv {pids}.part {pids}; wait"
        subprocess.run(["sh", "-c", script], check=True)
    finally:
        pids.with_name("cleaned").touch()


@pytest.fixture
def works() -> Iterator[list[Work[object]]]:
    made: list[Work[object]] = []
    yield made
    for work in made:
        work.end()


def test_it_is_made_by_who_asks_or_ahead(works: list[Work[object]], tmp_path: Path) -> None:
    asked, ahead = Work(os.getpid), Work(os.getpid)
    works += [asked, ahead]
    ahead.begin()
    ahead.begin()
    assert asked() == os.getpid() != ahead()
    assert ahead() == ahead()


def test_a_work_that_needs_another_makes_it(works: list[Work[object]]) -> None:
    part = Work(os.getpid)
    whole = Work(lambda: (part(), os.getpid()))
    works += [part, whole]
    part.begin()
    whole.begin()
    inner, outer = whole()
    assert inner == outer != part()


def test_a_failure_says_how(works: list[Work[object]]) -> None:
    def make() -> object:
        print("The mirror is away")
        subprocess.run(["sh", "-c", "echo very much so; exit 3"], check=True)
        return None

    work = Work(make)
    works.append(work)
    work.begin()
    with pytest.raises(AssertionError, match=r"(?s)exit 1: .*The mirror is away.*very much so.*exit status 3"):
        work()


def test_it_gives_way(works: list[Work[object]]) -> None:
    nice, not_nice = Work(lambda: os.nice(0)), Work(lambda: os.nice(0), nice=0)
    works += [nice, not_nice]
    for work in works:
        work.begin()
    assert (nice(), not_nice()) == (min(os.nice(0) + 10, 19), os.nice(0))


@pytest.mark.parametrize("state", ["running", "its program has ended", "it has ended"])
def test_the_end_ends_all_of_it(state: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    work = Work(lambda: _endless(pids))
    work.begin()
    eventually(pids.exists, "it runs", seconds=60)
    running = [int(word) for word in pids.read_text().split()]
    if state != "running":
        os.kill(running[1 if state == "its program has ended" else 0], signal.SIGTERM)
        assert work.wait(60)
    begun = time.monotonic()
    work.end()
    assert time.monotonic() - begun < GRACE
    eventually(lambda: not [pid for pid in running if _alive(pid)], "what was told to end has ended", seconds=60)
    assert (tmp_path / "cleaned").exists()


def test_a_killed_session_leaves_nothing_running(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    source = (
        "from pathlib import Path; from tests.support.ahead import Work; from tests.unit.support import test_ahead\n"
        f"work = Work(lambda: test_ahead._endless(Path({str(pids)!r})))\n"
        "work.begin(); work()"
    )
    env = os.environ | {"PYTHONPATH": f"{CHECKOUT}/src:{CHECKOUT}", "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", source], cwd=CHECKOUT, env=env) as session:
        eventually(pids.exists, "it runs", seconds=60)
        session.kill()
    running = [int(pid) for pid in pids.read_text().split()]
    eventually(lambda: not any(map(_alive, running)), "all of it has ended", seconds=60)
    assert (tmp_path / "cleaned").exists()
