"""Inside the guest, the last before it is switched off: containers that test_switched_on.py finds again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.inside.service import endpoint, install, systemctl
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(240)]

POLITE = 'trap "echo bye; exit {code}" TERM; echo hello; while :; do sleep 0.1; done'


def test_leave_containers_behind(tmp_path: Path) -> None:
    install()
    systemctl("enable", "--now", "corral")
    engine = endpoint(tmp_path)
    engine.import_image()
    always = {"RestartPolicy": {"Name": "always"}, "Binds": ["data:/data"]}
    ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "28080"}]}
    serve = ("sh", "-c", "date >> /data/starts; exec nc -ll -p 80 -e echo served")
    engine.run(*serve, name="always", ExposedPorts={"80/tcp": {}}, HostConfig={**always, "PortBindings": ports})
    for name in ("unless", "halted"):
        engine.run("sleep", "1000", name=name, HostConfig={"RestartPolicy": {"Name": "unless-stopped"}})
    engine.run("sh", "-c", POLITE.format(code=3), name="failing", HostConfig={"RestartPolicy": {"Name": "on-failure"}})
    engine.run("sh", "-c", POLITE.format(code=7), name="polite")
    engine.run("sleep", "1000", name="passing", HostConfig={"AutoRemove": True})
    engine.create("true", name="waiting", HostConfig={"RestartPolicy": {"Name": "always"}})
    engine.post("/containers/halted/stop", query={"t": 0})
    for name in ("failing", "polite"):
        eventually(lambda name=name: engine.output(name) == "hello\n", f"{name} is at its work")
    assert {engine.inspect(name)["State"]["Status"] for name in ("always", "unless", "failing", "polite")} == {
        "running"
    }
