"""What is done beside the tests: made once, by one; and over with the session."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.ahead import Session, Work
from tests.support.wait import eventually

CHECKOUT = Path(__file__).resolve().parents[3]
PROGRAMS = 'sleep 1000 & echo "$$ $!" >{0}.part; mv {0}.part {0}; wait'


def _alive(pid: str) -> bool:
    """Zombies are not: nobody may wait for what a program has started."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_two_who_ask_get_the_same() -> None:
    begun, go_on, found = threading.Event(), threading.Event(), list[object]()

    def make() -> object:
        begun.set()
        assert go_on.wait(10)
        return object()

    work = Work(make)
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 2 and found[0] is found[1] is work()


def test_what_failed_ahead_is_tried_again() -> None:
    tries: list[str] = []

    def make() -> str:
        tries.append("try")
        assert len(tries) > 1, "the mirror is away"
        return "made"

    work = Work(make)
    with pytest.raises(AssertionError, match="the mirror is away"):
        work()
    assert work() == "made"


def test_what_a_program_says() -> None:
    session = Session()
    assert session.run(["sh", "-c", "echo $0; echo more >&2; nice", "word"], timeout=10).split()[:2] == ["word", "more"]
    with pytest.raises(AssertionError, match=r"exit 3\nno more"):
        session.run(["sh", "-c", "echo no more; exit 3"], timeout=10)
    with pytest.raises(subprocess.TimeoutExpired):
        session.run(["sleep", "1000"], timeout=0.1)


def test_it_gives_way() -> None:
    own = int(subprocess.run(["nice"], capture_output=True, check=True).stdout)
    assert int(Session().run(["nice"], timeout=10)) == min(own + 10, 19)


def test_the_session_s_end_ends_all_of_it(tmp_path: Path) -> None:
    session, pids = Session(), tmp_path / "pids"
    failed: list[BaseException] = []

    def run() -> None:
        try:
            session.run(["sh", "-c", PROGRAMS.format(pids)], timeout=60)
        except AssertionError as error:
            failed.append(error)

    session.thread(run)
    eventually(pids.exists, "it runs")
    begun = time.monotonic()
    session.end()
    assert time.monotonic() - begun < 20 and len(failed) == 1
    assert not [pid for pid in pids.read_text().split() if _alive(pid)]
    with pytest.raises(InterruptedError):
        session.run(["true"], timeout=10)


def test_a_killed_session_leaves_no_program(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"echo $$ >{pid}.part; mv {pid}.part {pid}; exec sleep 1000"
    source = f"from tests.support import ahead; ahead.run(['sh', '-c', {script!r}], timeout=60)"
    with subprocess.Popen([sys.executable, "-c", source], cwd=CHECKOUT) as session:
        eventually(pid.exists, "it runs")
        session.kill()
    eventually(lambda: not _alive(pid.read_text().strip()), "what it ran has ended")
