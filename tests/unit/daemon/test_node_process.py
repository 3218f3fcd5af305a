"""Processes of nodes: started, seen to come and to go, ended."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from corral.cli.instance import Instance
from corral.daemon.node_process import appears, end, gone, launch, was_killed
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
