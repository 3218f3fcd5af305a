"""What the user is told of the nodes on this machine, and what to type where something is wrong."""

from __future__ import annotations

import os

from corral.cli.fail import ApiError
from corral.cli.instance import Instance, daemon_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from corral.cli.session import Session


def ask(session: Session, method: str, path: str) -> list[Any]:
    """What the daemon says of its nodes: nothing if it has none but its own, does not yet listen, or is older."""
    if not os.path.exists(session.instance.socket):
        return []
    try:
        found: list[Any] = session.client.call(method, path)
        return found
    except ApiError as error:
        if error.status != 404:
            raise
        return []


def describe(node: Mapping[str, Any], instance: Instance) -> str:
    """Pure: one node's line. `instance`: the first node's.

    >>> first = Instance("/x")
    >>> for state in ("ready", "not ready", "starting", "restarting", "stopped", "removed"):
    ...     print(describe({"Name": "b-2", "State": state, "Pid": 7, "Log": "/x/nodes/2/corral.log"}, first))
    b-2 is ready (pid 7)
    b-2 is not ready (pid 7). Its log: /x/nodes/2/corral.log
    b-2 is starting. Its log: /x/nodes/2/corral.log
    b-2 does not run: its process ended, and is started again soon. Its log: /x/nodes/2/corral.log
    b-2 does not run: it was told to end. Start it: sudo corral --root /x up --detach
    b-2 was removed. Make it anew: sudo corral --root /x down, then corral up as before
    """
    name, state, log = node["Name"], node["State"], node["Log"]
    if state == "ready":
        return f"{name} is ready (pid {node['Pid']})"
    if state == "stopped":
        return f"{name} does not run: it was told to end. Start it: sudo {instance.command('up --detach')}"
    if state == "removed":
        return f"{name} was removed. Make it anew: sudo {instance.command('down')}, then corral up as before"
    if state == "restarting":
        return f"{name} does not run: its process ended, and is started again soon. Its log: {log}"
    if state == "starting":
        return f"{name} is starting. Its log: {log}"
    return f"{name} is {state} (pid {node['Pid']}). Its log: {log}"


def count_nodes(session: Session) -> int:
    """How many of the cluster's nodes are on this machine, as the daemon was told when it was started."""
    return len(ask(session, "GET", "/corral/nodes")) or 1


def say_nodes(session: Session) -> None:
    """A line for each; none where the daemon has no nodes beside its own."""
    for node in ask(session, "GET", "/corral/nodes"):
        session.say(f"Node:       {describe(node, session.instance)}")


def start_nodes(session: Session) -> int:
    """Starts those that do not run, and says how they are then: 1 if one still does not."""
    woken = ask(session, "POST", "/corral/nodes/start")
    for node in woken:
        session.say(
            f"Node {node['Name']} did not run, and was started (pid {node['Pid']})."
            if node["Pid"]
            else f"Node {describe(node, session.instance)}"
        )
    return 0 if all(node["Pid"] for node in woken) else 1


def outliving(instance: Instance) -> list[tuple[str, int]]:
    """The nodes whose processes run: (number, pid)."""
    folder = os.path.join(instance.root, "nodes")
    names = sorted(filter(str.isdigit, os.listdir(folder)), key=int) if os.path.isdir(folder) else []
    found = [(name, daemon_pid(Instance(os.path.join(folder, name)))) for name in names]
    return [(name, pid) for name, pid in found if pid]
