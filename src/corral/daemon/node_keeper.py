"""Keeps the nodes on this machine running: a process that was killed or has crashed is started again.

::

            ┌──────────────── runs <──────────────────────┐
            │ killed, crashed       │ told to end         │
            v                       v                     │
         a pause that grows      stopped ── somebody starts it, or `corral up`
            └──── started again ───────────────────────────^

Its containers go on meanwhile, and the next process adopts them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from corral.api.docker.local_nodes import LocalNode
from corral.cli.instance import Instance, daemon_pid
from corral.daemon.node_join import was_removed
from corral.daemon.node_process import appears, gone, launch, was_killed
from corral.engine.restart import plan_delay
from corral.errors import CorralError, HostError
from corral.kit.clock import SECOND
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.client.protocol import Object

log = logging.getLogger("corral.daemon")

READY: Final = "ready"
NOT_READY: Final = "not ready"
STARTING: Final = "starting"  # the cluster may not have missed it, and call it ready
AGAIN: Final = "restarting"  # its process has ended by itself
STOPPED: Final = "stopped"  # by somebody
REMOVED: Final = "removed"  # by `corral reset` on its own directory


def plan_state(pid: int, ready: bool, rest: str) -> str:
    """Pure: how a node stands. `ready`: as the cluster knows it; `rest`: why its process does not run, if it does not.

    >>> plan_state(7, True, ""), plan_state(7, False, ""), plan_state(0, True, "stopped"), plan_state(0, True, "")
    ('ready', 'not ready', 'stopped', 'restarting')
    >>> plan_state(7, True, "starting")
    'starting'
    """
    if pid and rest != STARTING:
        return READY if ready else NOT_READY
    return rest or AGAIN  # it has ended this moment


class Kept:
    """A node that is kept running. `rest`: why it does not run."""

    def __init__(self, instance: Instance, name: str) -> None:
        self.instance, self.name, self.rest = instance, name, ""
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    async def pause(self, seconds: float | None) -> None:
        """Until it is time, or `wake` wants it, or somebody else has started or removed it."""
        waits = [asyncio.create_task(self._wanted.wait()), asyncio.create_task(self._appears())]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        self._wanted.clear()

    async def _appears(self) -> None:
        try:
            await appears(self.instance)
        except HostError as error:
            if was_removed(self.instance):
                return
            log.warning("node %s: nobody sees it when it is started by hand: %s", self.name, error)
            await asyncio.Event().wait()

    async def wake(self) -> None:
        """Returns when its start was tried."""
        tried = asyncio.get_running_loop().create_future()
        self._waiting.append(tried)
        self._wanted.set()
        await tried

    def tried(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()


class NodeKeeper:
    """`run` in a task each. `names`: of the nodes by their numbers; `command`: that starts one; `find`: the cluster's
    object of a node, which `forget` deletes; `first`: the name of the one that this process is."""

    def __init__(
        self,
        instance: Instance,
        names: Mapping[int, str],
        command: Callable[[Instance], list[str]],
        find: Callable[[str], Object | None],
        forget: Callable[[str], Awaitable[None]],
        first: str,
    ) -> None:
        self._instance, self._command, self._find, self._first = instance, command, find, first
        self._forget = forget
        self._kept = [Kept(Instance(os.path.join(instance.root, "nodes", str(n))), names[n]) for n in sorted(names)]

    def start(self, tasks: Tasks) -> None:
        """With tasks that are ended before the nodes are."""
        for node in self._kept:
            tasks.start(f"node-{node.name}", self._run(node))

    def nodes(self) -> list[LocalNode]:
        """All on this machine, with the first."""
        mine = self._show(self._first, self._instance, os.getpid(), "")
        return [mine, *(self._shown(node) for node in self._kept)]

    async def wake(self) -> list[LocalNode]:
        """Starts those that do not run, whatever for: how these stand then."""
        asleep = [one for one in self._kept if not daemon_pid(one.instance)]
        await asyncio.gather(*(one.wake() for one in asleep if one.rest != REMOVED))
        return [self._shown(one) for one in asleep]

    def _shown(self, node: Kept) -> LocalNode:
        return self._show(node.name, node.instance, daemon_pid(node.instance), node.rest)

    def _show(self, name: str, instance: Instance, pid: int, rest: str) -> LocalNode:
        from corral.cluster.controllers.conditions import is_true

        conditions = ((self._find(name) or {}).get("status") or {}).get("conditions")
        state = plan_state(pid, is_true(conditions, "Ready"), rest)
        return LocalNode(Name=name, State=state, Pid=pid, Root=instance.root, Log=instance.log_file)

    async def _run(self, node: Kept) -> None:
        try:
            await self._keep(node)
        finally:
            node.tried()

    async def _keep(self, node: Kept) -> None:
        """Until it is removed."""
        pause, failed = 0, False
        while True:
            begun = time.monotonic_ns()
            await gone(node.instance)
            if was_removed(node.instance):
                node.rest = REMOVED
                log.warning("node %s was removed; corral up makes it anew, after corral down", node.name)
                await self._forget(node.name)  # else its successor would be taken for a second one of that name
                return
            if failed or was_killed(node.instance):
                pause = plan_delay(pause, time.monotonic_ns() - begun)
                node.rest, seconds = AGAIN, pause / SECOND
                if not failed:
                    log.error("the process of node %s was killed, or has crashed; its pods go on", node.name)
                again = "node %s is started again in %.1f s; its log: %s"
                log.warning(again, node.name, seconds, node.instance.log_file)
                await node.pause(seconds)
            else:
                pause, node.rest = 0, STOPPED
                up = self._instance.command("up --detach")
                log.warning("node %s was told to end, and is not started again; to start it: sudo %s", node.name, up)
                await node.pause(None)
            if was_removed(node.instance):
                continue
            node.rest = STARTING
            failed = not daemon_pid(node.instance) and not await self._start(node)
            node.rest = AGAIN if failed else ""
            node.tried()

    async def _start(self, node: Kept) -> bool:
        """Whether a process of it runs now, whoever has started it."""
        try:
            said = await launch(node.instance, self._command(node.instance))
        except CorralError as error:
            said = error.message
        pid = daemon_pid(node.instance)
        if pid:
            log.warning("node %s runs again (pid %d)", node.name, pid)
        else:
            log.error("node %s does not start: %s", node.name, said or "it ended before it was ready")
        return pid != 0
