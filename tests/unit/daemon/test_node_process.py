"""Processes of nodes: started, seen to come and to go, ended."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from corral.cli.instance import Instance
from corral.daemon import node_process
from corral.daemon.node_process import appears, end, gone, launch, was_killed
from corral.errors import HostError
from tests.support.node_process import command, kill
from tests.support.wait import eventually_async


def test_a_daemon_is_seen_to_come_and_to_go(tmp_path: Path) -> None:
    async def main() -> None:
        node = Instance(str(tmp_path))
        Path(node.run).mkdir()
        await gone(node)
        coming = asyncio.create_task(appears(node))
        assert await launch(node, command(node)) == "ready"
        await coming
        await appears(node)
        going = asyncio.create_task(gone(node))
        kill(node)
        await going
        assert was_killed(node)
        assert await launch(node, command(node)) == "ready"
        await end(node)
        assert not was_killed(node)

    asyncio.run(main())


def test_a_start_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    async def main() -> None:
        node = Instance(str(tmp_path))
        late = "import os, sys, time; open(sys.argv[1] + '/pid', 'w').write(str(os.getpid())); time.sleep(600)"
        starting = asyncio.create_task(launch(node, [sys.executable, "-c", late, node.root]))
        pid = tmp_path / "pid"
        await eventually_async(lambda: pid.exists() and pid.read_text() != "", "it has begun")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        assert not os.path.exists(f"/proc/{pid.read_text()}")

    asyncio.run(main())


def test_a_number_that_is_another_process_by_now_gets_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon ended after its number was read; it is given to somebody else at once."""
    with subprocess.Popen(["sleep", "600"]) as other:
        answers = iter([other.pid, 0])
        monkeypatch.setattr(node_process, "daemon_pid", lambda instance: next(answers))
        asyncio.run(end(Instance(str(tmp_path))))
        assert other.poll() is None and next(answers, None) is None
        other.kill()


def test_a_machine_without_descriptors_is_a_failure_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(flags: int) -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def main() -> None:
        monkeypatch.setattr(node_process.os, "pipe2", none_left)
        with pytest.raises(HostError, match="start a node: too many open files"):
            await launch(Instance(str(tmp_path)), ["true"])
        monkeypatch.undo()

    asyncio.run(main())
