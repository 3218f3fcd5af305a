"""Inside the guest, after it was switched off and on: what became of the containers of test_switched_off.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.guest.inside.service import SCOPE, endpoint, show
from tests.support.endpoint import Endpoint
from tests.support.outside import ask_tcp
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(240)]


@pytest.fixture
def service(tmp_path: Path) -> Endpoint:
    return endpoint(tmp_path)


def test_the_service_came_up_by_itself(service: Endpoint) -> None:
    assert show("ActiveState") == "active" and show("ActiveState", SCOPE) == "active"
    assert service.get("/_ping").status == 200
    assert service.inspect_image("busybox")["RepoTags"] == ["busybox:latest"]


@pytest.mark.parametrize("name", ["always", "unless", "failing"])
def test_it_came_back(service: Endpoint, name: str) -> None:
    eventually(lambda: service.inspect(name)["State"]["Running"], f"{name} runs", seconds=30)
    pid = service.inspect(name)["State"]["Pid"]
    assert f"/corral.slice/{SCOPE}/" in Path(f"/proc/{pid}/cgroup").read_text()
    assert service.execute(name, "echo", "alive") == (0, "alive\n")


def test_volumes_and_ports_came_back(service: Endpoint) -> None:
    eventually(lambda: ask_tcp("127.0.0.1", 28080) == b"served\n", "an answer", seconds=30)
    code, starts = service.execute("always", "cat", "/data/starts")
    assert code == 0 and len(starts.splitlines()) == 2, "once before, once after"


def test_the_polite_one_was_asked_to_end_and_could_finish(service: Endpoint) -> None:
    """A machine that goes down stops containers as `stop` does: their own signal, their own time, the end recorded."""
    state = service.inspect("polite")["State"]
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 7, False)
    assert service.output("polite") == "hello\nbye\n"
    assert service.output("failing").startswith("hello\nbye\nhello\n"), "its log goes on where it was"


def test_the_others_stay_as_they_were(service: Endpoint) -> None:
    assert service.inspect("halted")["State"]["Status"] == "exited", "the user had stopped it"
    assert service.inspect("waiting")["State"]["Status"] == "created", "it never ran"
    assert service.get("/containers/passing/json").status == 404, "it was to be removed at its end"


def test_nothing_is_left_of_the_first_life(service: Endpoint) -> None:
    known = {container["Id"] for container in service.get("/containers/json", query={"all": 1}).json}
    assert set(os.listdir("/run/corral/c")) <= known
    groups = {path.name for path in Path(f"/sys/fs/cgroup/corral.slice/{SCOPE}").iterdir() if path.is_dir()}
    assert {name for name in groups if len(name) == 64} <= known
