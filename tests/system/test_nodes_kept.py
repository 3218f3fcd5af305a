"""Nodes on this machine are kept running: a process that was killed comes back, one that was told to end does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.instance import Instance
from tests.support.wait import eventually
from tests.system.test_nodes import ENOUGH, Fleet, kill, three_nodes

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
URL = "http://web.default.svc.cluster.local"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with three_nodes(tmp_path / "i", "10.124.0.0/16") as found:
        yield found


def lines(fleet: Fleet) -> dict[str, str]:
    """What `corral status` says of each node, by its name."""
    said = fleet.engine.corral("status", check=True).stdout.splitlines()
    found = [line.removeprefix("Node:").strip() for line in said if line.startswith("Node:")]
    return {name: rest for name, _, rest in (line.partition(" ") for line in found)}


def containers(node: Instance) -> dict[str, int]:
    """The processes of all that runs on a node, by the containers' ids."""
    filters = {"filters": json.dumps({"label": ["io.kubernetes.pod.name"]})}
    listed = node.get("/containers/json", query=filters).json
    assert isinstance(listed, list), listed
    return {one["Id"]: node.inspect(one["Id"])["State"]["Pid"] for one in listed}


def back(fleet: Fleet, name: str, node: Instance, before: int) -> int:
    """Waits until another process of the node runs, and all is well: its pid."""

    def well() -> int:
        found = re.fullmatch(r"is ready \(pid (\d+)\)", lines(fleet)[name])
        return int(found[1]) if found and int(found[1]) != before else 0

    pid = eventually(well, lambda: f"{lines(fleet)}\n{fleet.engine.log[-2000:]}\n{node.log[-2000:]}", seconds=40)
    assert node.pid == pid
    eventually(lambda: fleet.nodes()[name] == "True", lambda: str(fleet.nodes()), seconds=40)
    return pid


def test_a_node_whose_process_is_killed_is_started_again_and_adopts_its_containers(fleet: Fleet) -> None:
    first, second, third = fleet.names()
    node = Instance(fleet.engine.root / "nodes" / "2")
    fleet.deploy(6)
    pods, before = {pod["metadata"]["name"] for pod in fleet.serving()}, containers(node)
    assert len(before) >= 2 and set(lines(fleet)) == {first, second, third}
    assert lines(fleet)[first] == f"is ready (pid {fleet.engine.pid})"

    pid = node.pid
    for _ in range(2):
        kill(pid)
        pid = back(fleet, second, node, pid)
    assert f"node {second} is started again in 0.1 s; its log: {node.root}/corral.log" in fleet.engine.log
    assert containers(node) == before
    eventually(lambda: {pod["metadata"]["name"] for pod in fleet.serving()} == pods, lambda: str(fleet.pods()))
    assert {one["restartCount"] for pod in fleet.pods() for one in pod["status"]["containerStatuses"]} == {0}
    assert fleet.answers_to_pod(second, URL, ENOUGH, after=pods) == pods  # it takes new pods, and knows the others

    fleet.engine.kill_daemon()  # the next one is not the parent of its nodes
    down = fleet.engine.corral("status")
    assert down.returncode == 3 and f"Node 2 runs on (pid {pid}): up takes it back" in down.stdout
    fleet.engine.up()
    assert node.pid == pid
    kill(pid)
    back(fleet, second, node, pid)
    assert containers(node) == before


def test_a_node_that_was_told_to_end_is_started_when_somebody_wants_it(fleet: Fleet) -> None:
    second = fleet.names()[1]
    node = Instance(fleet.engine.root / "nodes" / "2")
    pid = node.pid
    node.down()
    up = f"corral --root {fleet.engine.root} up --detach"
    stopped = f"does not run: it was told to end. Start it: sudo {up}"
    eventually(lambda: lines(fleet)[second] == stopped, lambda: str(lines(fleet)))
    again = fleet.engine.corral("up", "--detach", "--nodes=3", "--stop-timeout=7", check=True).stdout
    assert f"Node {second} did not run, and was started (pid {node.pid})." in again
    assert "Not looked at: --stop-timeout=7\n" in again and f"corral --root {fleet.engine.root} down" in again
    pid = back(fleet, second, node, pid)
    quiet = fleet.engine.corral("up", "--detach", "--nodes=3", check=True).stdout
    assert "up already" in quiet and "Node" not in quiet and "Not looked at" not in quiet

    node.down()
    eventually(lambda: lines(fleet)[second] == stopped, lambda: str(lines(fleet)))
    node.corral("node", "--detach", "--kubernetes-eviction-hard=none", check=True)  # by hand, and it is kept, too
    pid = back(fleet, second, node, pid)
    kill(pid)
    pid = back(fleet, second, node, pid)

    identity = node.root / "node/identity.pem"
    identity.rename(identity.with_suffix(".away"))
    kill(pid)
    failure = f"node {second} does not start: "
    eventually(lambda: failure in fleet.engine.log, lambda: fleet.engine.log[-2000:], seconds=60)
    failed = fleet.engine.corral("up", "--detach")
    assert failed.returncode == 1 and f"Node {second} does not run: its process ended" in failed.stdout, failed
    identity.with_suffix(".away").rename(identity)
    back(fleet, second, node, pid)


def test_a_node_that_was_removed_is_made_anew(fleet: Fleet) -> None:
    third = fleet.names()[2]
    node = Instance(fleet.engine.root / "nodes" / "3")
    node.corral("reset", "--yes", check=True)
    eventually(lambda: lines(fleet)[third].startswith("was removed. Make it anew: "), lambda: str(lines(fleet)))
    eventually(lambda: third not in fleet.nodes(), lambda: str(fleet.nodes()))
    assert fleet.engine.corral("up", "--detach").returncode == 1
    fleet.engine.restart_daemon()
    eventually(lambda: fleet.nodes()[third] == "True", lambda: str(fleet.nodes()), seconds=60)


def test_a_node_that_was_removed_while_nobody_kept_it_is_made_anew(fleet: Fleet) -> None:
    third = fleet.names()[2]
    fleet.engine.down()
    Instance(fleet.engine.root / "nodes" / "3").corral("reset", "--yes", check=True)
    fleet.engine.up()
    assert f"node {third} was removed, and is made anew" in fleet.engine.log
    eventually(lambda: fleet.nodes()[third] == "True", lambda: str(fleet.nodes()), seconds=60)
