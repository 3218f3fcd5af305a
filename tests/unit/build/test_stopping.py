"""Work in a thread, and its end."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from corral.build.copying import Hashes, Source, carry_out, digest
from corral.build.ops import CopyOp
from corral.build.stopping import Check, in_stoppable_thread
from corral.linux.streams import Ended


async def test_a_cancelled_wait_ends_the_work_and_waits_for_that() -> None:
    begun, ended, go_on = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work(check: Check) -> None:
        loop.call_soon_threadsafe(begun.set)
        try:
            while True:
                check()
                go_on.wait(0.001)
        except Ended:
            ended.set()
            raise

    task = asyncio.ensure_future(in_stoppable_thread("work", work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    assert await in_stoppable_thread("work", lambda check: check() or 7) == 7


def test_copies_and_digests_ask_often_whether_to_go_on(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "d").mkdir(parents=True)
    target.mkdir()
    for n in range(20):
        (source / f"d/{n}").write_bytes(b"1")
    (source / "large").write_bytes(os.urandom(5 << 20))
    for name, least in (("d", 20), ("large", 5)):
        asked: list[int] = []
        digest(CopyOp([name], "/"), Source(str(source), (0, 0)), Hashes(), check=lambda: asked.append(1))  # noqa: B023
        assert len(asked) >= least

    def stop() -> None:
        raise Ended

    if os.geteuid() == 0:
        with pytest.raises(Ended):
            carry_out(CopyOp(["d"], "/"), Source(str(source), (0, 0)), str(target), check=stop)
        assert os.listdir(target) == []
