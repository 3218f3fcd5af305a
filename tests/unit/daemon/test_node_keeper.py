"""Nodes that are kept running: processes of the tests' own, which hold the lock of a node's daemon."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from corral.cli.instance import Instance, daemon_pid
from corral.daemon.node_keeper import Kept, NodeKeeper
from corral.daemon.node_process import end, launch
from corral.kit.tasks import Tasks
from tests.support.node_process import command, kill
from tests.support.wait import eventually_async

KNOWN = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
Act = Callable[[NodeKeeper, Instance], Awaitable[None]]


@asynccontextmanager
async def keeping(folder: Path, forgotten: list[str]) -> AsyncIterator[tuple[NodeKeeper, Instance]]:
    """A keeper of one node, which runs."""
    node = Instance(str(folder / "nodes/2"))
    (folder / "nodes/2/node").mkdir(parents=True)
    (folder / "nodes/2/node/identity.pem").touch()
    known: dict[str, Any] = {"n-2": KNOWN}

    async def forget(name: str) -> None:
        forgotten.append(name)

    keeper = NodeKeeper(Instance(str(folder)), {2: "n-2"}, command, known.get, forget, "n")
    assert await launch(node, command(node)) == "ready"
    tasks = Tasks()
    keeper.start(tasks)
    try:
        yield keeper, node
    finally:
        await tasks.close()
        await end(node)


def run(folder: Path, act: Act) -> list[str]:
    """The names of the nodes that were forgotten."""
    forgotten: list[str] = []

    async def main() -> None:
        async with keeping(folder, forgotten) as (keeper, node):
            async with asyncio.timeout(60):
                await act(keeper, node)

    asyncio.run(main())
    return forgotten


def state(keeper: NodeKeeper) -> str:
    first, second = keeper.nodes()
    assert (first.Name, first.Pid, second.Name) == ("n", os.getpid(), "n-2")
    return second.State


async def is_state(keeper: NodeKeeper, wanted: str) -> None:
    await eventually_async(lambda: state(keeper) == wanted, f"it is {wanted}")


async def another(node: Instance, than: int) -> None:
    await eventually_async(lambda: daemon_pid(node) not in (0, than), "another one runs")


def test_a_process_that_was_killed_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(keeper: NodeKeeper, node: Instance) -> None:
        await is_state(keeper, "ready")
        for _ in range(2):
            pid = kill(node)
            await another(node, pid)
            await is_state(keeper, "ready")

    assert run(tmp_path, act) == []
    assert "the process of node n-2 was killed" in caplog.text
    assert "started again in 0.1 s" in caplog.text and "started again in 0.2 s" in caplog.text


def test_one_that_does_not_start_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(keeper: NodeKeeper, node: Instance) -> None:
        Path(node.root, "broken").touch()
        kill(node)
        await eventually_async(lambda: "started again in 0.4 s" in caplog.text, "the pause grows")
        assert [(one.State, one.Pid) for one in await keeper.wake()] == [("restarting", 0)]
        Path(node.root, "broken").unlink()
        await keeper.wake()
        await is_state(keeper, "ready")

    run(tmp_path, act)
    assert "node n-2 does not start: it is broken" in caplog.text


def test_one_that_was_told_to_end_waits_until_it_is_wanted(tmp_path: Path) -> None:
    async def act(keeper: NodeKeeper, node: Instance) -> None:
        assert await keeper.wake() == []
        await end(node)
        await is_state(keeper, "stopped")
        [woken] = await keeper.wake()
        assert (woken.Name, woken.State, woken.Pid) == ("n-2", "ready", daemon_pid(node))
        await end(node)
        await is_state(keeper, "stopped")
        assert await launch(node, command(node)) == "ready"  # somebody else
        await is_state(keeper, "ready")

    run(tmp_path, act)


def test_one_that_was_removed_is_forgotten(tmp_path: Path) -> None:
    async def act(keeper: NodeKeeper, node: Instance) -> None:
        shutil.rmtree(Path(node.root, "node"))
        await end(node)
        await is_state(keeper, "removed")
        assert [one.State for one in await keeper.wake()] == ["removed"]

    assert run(tmp_path, act) == ["n-2"]


def test_one_that_was_removed_after_its_end_is_forgotten_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By a `corral reset` that is over before anybody sees that it has the lock."""

    async def act(keeper: NodeKeeper, node: Instance) -> None:
        await end(node)
        await is_state(keeper, "stopped")
        shutil.rmtree(node.root)
        await is_state(keeper, "removed")
        assert [one.State for one in await keeper.wake()] == ["removed"]

    assert run(tmp_path, act) == ["n-2"]
    assert "does not start" not in caplog.text


def test_one_that_is_removed_before_it_is_watched_is_seen(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            await Kept(Instance(str(tmp_path / "gone")), "n-2").pause(None)

    asyncio.run(main())


def test_who_waits_for_a_start_does_not_wait_for_ever(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "node").mkdir()
        node = Kept(Instance(str(tmp_path)), "n-2")
        waiting = asyncio.create_task(node.wake())
        await node.pause(None)  # nobody can watch: it has no directory
        assert not waiting.done()
        node.tried()
        await waiting

    asyncio.run(main())
