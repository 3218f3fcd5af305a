"""`down --all` and `reset`: everything of the instance that runs goes, without a daemon: it may have been killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterable

from corral.cli.instance import Instance
from corral.daemon.cluster_network import NODE, remove_rules
from corral.daemon.config import Settings, engine_config
from corral.daemon.lock import InstanceLock
from corral.daemon.serve import start_log
from corral.engine import reserve
from corral.engine.engine import Engine
from corral.errors import CorralError, from_oserror
from corral.linux.mounts import is_mount, mounts_deep_in, mounts_under, unmount


def teardown(instance: Instance, settings: Settings, *, reset: bool, kill: bool = False) -> int:
    """Ends all that runs, with `kill` at once; with `reset` the state goes too.

    The exit code; takes the daemon's lock meanwhile.
    """
    start_log("WARNING")
    if not os.path.isdir(instance.root):
        print(f"There is nothing at {instance.root}.")
        return 0
    lock = InstanceLock(instance)
    try:
        reserve.tend(instance.root)
        lock.take()
        if os.path.isdir(os.path.join(instance.root, "nodes")):
            from corral.daemon.nodes import teardown_nodes

            teardown_nodes(instance, settings, reset=reset, kill=kill)
        enter_own(instance)
        asyncio.run(_teardown(instance, settings, 0 if kill else None))
        remove_volatile(instance)
        if reset:
            forget_unit(instance)
            remove_state(instance)
    except CorralError as error:
        print(error.message + reserve.advice(instance.root), file=sys.stderr)
        return 1
    finally:
        lock.release()
    state = "Its state is deleted." if reset else f"Images, volumes and containers' files stay in {instance.root}."
    print(f"Nothing of this instance runs any more. {state}")
    return 0


def enter_own(instance: Instance) -> None:
    """A node's things are in its own network namespace, while there is one."""
    if os.path.isdir(os.path.join(instance.root, "node")):
        from corral.daemon import node, node_join

        join = node_join.load(instance)
        if join is not None and os.path.exists(join.netns):
            node.enter(join.netns)


def forget_unit(instance: Instance) -> None:
    """Of a machine that has joined: there is nothing to start any more."""
    if os.path.isdir(os.path.join(instance.root, NODE)):
        from corral.daemon.node_unit import uninstall

        uninstall(instance)


async def _teardown(instance: Instance, settings: Settings, grace: int | None) -> None:
    engine = await Engine.open(engine_config(settings, instance), start=False)
    await engine.teardown(grace)
    await remove_rules(instance)


def remove_volatile(instance: Instance) -> None:
    """What need not survive a boot. The pid file, which we hold, stays until the state goes."""
    _unmount(point for point in mounts_under(instance.volatile) if point != os.path.realpath(instance.volatile))
    if instance.volatile != instance.run:
        shutil.rmtree(instance.volatile, ignore_errors=True)
    for entry in _entries(instance.run):
        if entry != instance.pid_file:
            _remove(entry)


def remove_state(instance: Instance) -> None:
    """All below the root, and the root itself unless it has a settings file. Where a disk of somebody's own is
    mounted, at the root or directly in it, it stays, empty."""
    _unmount(mounts_deep_in(instance.root))
    for entry in _entries(instance.root):
        if entry != instance.config:
            _remove(entry)
    _remove(instance.run)
    if not _entries(instance.root) and not is_mount(instance.root):
        os.rmdir(instance.root)


def _entries(path: str) -> list[str]:
    return [entry.path for entry in os.scandir(path)] if os.path.isdir(path) else []


def _remove(path: str) -> None:
    try:
        if is_mount(path):
            for entry in _entries(path):
                _remove(entry)
        elif os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
    except OSError as error:
        raise from_oserror(f"remove {path}", error) from error


def _unmount(points: Iterable[str]) -> None:
    for point in points:
        unmount(point, lazy=True)
