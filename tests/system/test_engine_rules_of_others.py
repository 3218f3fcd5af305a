"""Rules in a container's network that kill libnftables do not take the daemon down; nor does its process outlive it."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.linux.namespaces import in_netns, netns_of
from tests.support.hostile import VALUE, write_set
from tests.support.instance import Instance, instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def corral() -> Iterator[Instance]:
    with instance() as made:
        yield made


def worker(pid: int) -> int:
    """The process of libnftables that a daemon has."""

    def found() -> list[str]:  # while threads of the daemon end, and others take their children over
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = {child for task in tasks for child in (task / "children").read_text().split()}
        return [child for child in children if b"nft_worker" in cmdline(child)]

    (one,) = eventually(found, "it is there")
    return int(one)


def cmdline(pid: str) -> bytes:
    """Of a process that may have ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.mark.parametrize("how", ["kill -9", "down"])
def test_the_process_ends_with_the_daemon(corral: Instance, how: str) -> None:
    watched = os.pidfd_open(worker(corral.pid))
    try:
        corral.kill_daemon() if how == "kill -9" else corral.down()
        assert select.select([watched], [], [], 60)[0]
    finally:
        os.close(watched)
        corral.up()


def test_a_container_cannot_end_the_daemon_by_rules_of_its_own(corral: Instance) -> None:
    """libnftables 1.0.6 dies when the next daemon takes its name server over, which is that container's loss alone."""
    assert corral.post("/networks/create", {"Name": "lan"}).status == 201
    named = {"HostConfig": {"NetworkMode": "lan", "CapAdd": ["NET_ADMIN"]}}
    hostile, other = (corral.run("sleep", "1000", Hostname=name, **named) for name in ("hostile", "other"))
    netns = netns_of(corral.inspect(hostile)["State"]["Pid"])
    in_netns(netns, lambda: write_set("hostile", VALUE))
    os.close(netns)
    corral.restart_daemon()
    lost = "its network could not be taken over whole: nftables: libnftables died (SIG" in corral.log
    asked = ("nslookup", corral.inspect(other)["Name"].strip("/"), "127.0.0.11")
    assert corral.execute(other, *asked)[0] == 0
    assert lost or corral.execute(hostile, *asked)[0] == 0
    assert corral.result("true", **named)[0] == 0
    for each in (hostile, other):
        corral.remove(each)
    assert corral.delete("/networks/lan").status == 204
