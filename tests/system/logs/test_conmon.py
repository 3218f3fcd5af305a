"""The real monitor's log files: read, followed and rotated. The "runtime" is a script, so only conmon is tested."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from corral.linux import inotify
from corral.logs import rotate
from corral.logs.container_log import ContainerLog
from corral.logs.policy import LogPolicy
from corral.logs.rotate import Rotator
from corral.logs.watches import Watches
from corral.model.process import LogQuery

pytestmark = pytest.mark.root

_RUNTIME = """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in --pid-file) pid=$2; shift;; --bundle) bundle=$2; shift;; esac; shift; done
sh $bundle/payload & printf %s $! > $pid
"""


class Bundle:
    """One process under conmon. It begins when `start` returns and waits for a line in the pipe `go`."""

    def __init__(self, place: Path, payload: str) -> None:
        self.place = place
        self.log = place / "ctr.log"
        (place / "payload").write_text(f"read line < {place}/go\n{payload}\n")
        (place / "runtime").write_text(_RUNTIME)
        (place / "runtime").chmod(0o755)
        (place / "exits").mkdir()
        os.mkfifo(place / "go")
        self.start()

    def start(self) -> None:
        arguments = ["-c", "abc", "-u", "abc", "-b", str(self.place), "-r", str(self.place / "runtime")]
        arguments += ["-p", str(self.place / "pid"), "-l", f"k8s-file:{self.log}", "--exit-dir", f"{self.place}/exits"]
        arguments += ["--conmon-pidfile", str(self.place / "conmon.pid"), "--full-attach", "--no-sync-log"]
        subprocess.run(["conmon", "--api-version", "1", *arguments], check=True, stderr=subprocess.DEVNULL)

    def go(self) -> None:
        (self.place / "go").write_text("go\n")

    async def reopen(self, container_id: str) -> None:
        fd = os.open(self.place / "ctl", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"2 0 0\n")
        os.close(fd)

    def watch_end(self, watches: Watches) -> asyncio.Event:
        ended = asyncio.Event()
        watches.listen(str(self.place / "exits"), inotify.MOVED_TO, ended.set)
        return ended

    def kill(self) -> None:
        for name in ("pid", "conmon.pid"):
            try:
                os.kill(int((self.place / name).read_text()), 9)
            except (ProcessLookupError, FileNotFoundError):
                continue


@pytest.fixture
async def watches() -> AsyncIterator[Watches]:
    made = Watches()
    yield made
    await made.close()


@pytest.fixture
def bundles(tmp_path: Path) -> Iterator[list[Bundle]]:
    made: list[Bundle] = []
    yield made
    for bundle in made:
        bundle.kill()


async def test_the_bytes_come_back_as_they_were_written(
    tmp_path: Path, watches: Watches, bundles: list[Bundle]
) -> None:
    payload = "printf 'one\\r\\ntwo'; head -c 50000 /dev/zero | tr '\\0' x; printf '\\n\\nerr\\n' >&2; printf 'end'"
    bundles.append(bundle := Bundle(tmp_path, payload))
    ended = bundle.watch_end(watches)
    log = ContainerLog(str(bundle.log), LogPolicy(), watches)
    begin = time.time_ns()
    bundle.go()
    seen = {"stdout": b"", "stderr": b""}
    async for entry in log.read(LogQuery(follow=True), ended):
        seen[entry.stream] += entry.data
        assert begin <= entry.time <= time.time_ns()
    assert seen == {"stdout": b"one\r\ntwo" + b"x" * 50_000 + b"end", "stderr": b"\n\nerr\n"}
    # Both streams at once: which one is last is the monitor's choice.
    assert [e.data[-3:] async for e in log.read(LogQuery(tail=3, stderr=False), ended)][-1] == b"end"


async def test_rotation_under_load_loses_and_repeats_nothing(
    tmp_path: Path, watches: Watches, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate, "REST", 0.002)
    bundles.append(bundle := Bundle(tmp_path, "seq 1 60000"))
    ended = bundle.watch_end(watches)
    rotator = Rotator(watches, bundle.reopen)
    rotator.watch("abc", str(bundle.log), LogPolicy(100_000, 200))
    bundle.go()
    log = ContainerLog(str(bundle.log), LogPolicy(), watches)
    followed = [int(e.data) async for e in log.read(LogQuery(follow=True), ended)]
    assert followed == list(range(1, 60_001))
    assert len(list(tmp_path.glob("ctr.log.*"))) >= 2
    assert [int(e.data) async for e in log.read(LogQuery(), ended)] == followed
    assert [int(e.data) async for e in log.read(LogQuery(tail=20_000), ended)] == followed[-20_000:]
    await rotator.close()


async def test_a_container_that_is_started_again_goes_on_in_the_same_log(
    tmp_path: Path, watches: Watches, bundles: list[Bundle]
) -> None:
    bundles.append(bundle := Bundle(tmp_path, "echo run"))
    log = ContainerLog(str(bundle.log), LogPolicy(), watches)
    for runs in (1, 2):
        ended = bundle.watch_end(watches)
        bundle.go()
        seen = [e.data async for e in log.read(LogQuery(follow=True), ended)]
        assert seen == [b"run\n"] * runs
        (tmp_path / "exits" / "abc").unlink()
        if runs == 1:
            bundle.start()
