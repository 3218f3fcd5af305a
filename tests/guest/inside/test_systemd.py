"""Inside the guest: Corral as a service of systemd, on pure cgroup v2. A restart of the service kills no container."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cgroups import PURE_V2
from tests.support.endpoint import Endpoint
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(240)]

UNIT = Path("/etc/systemd/system/corral.service")


def _systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=120)
    if done.returncode:
        journal = subprocess.run(
            ["journalctl", "-u", "corral", "-n", "40", "--no-pager"], capture_output=True, text=True
        )
        raise AssertionError(f"systemctl {' '.join(words)}: {done.stderr}\n{journal.stdout}")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The default instance, started by systemd as the shipped unit says."""
    unit = subprocess.run(["corral", "up", "--print-unit"], check=True, capture_output=True, text=True).stdout
    UNIT.write_text(unit)
    _systemctl("daemon-reload")
    _systemctl("start", "corral")
    engine = Endpoint("service", Path("/run/corral/docker.sock"), tmp_path_factory.mktemp("client"))
    assert engine.get("/_ping").status == 200, "started means that it answers (Type=notify)"
    engine.import_image()
    yield engine
    engine.remove_everything()
    _systemctl("stop", "corral")
    subprocess.run(["corral", "down", "--all"], check=True, timeout=120)
    UNIT.unlink()
    _systemctl("daemon-reload")
    shutil.rmtree("/var/lib/corral", ignore_errors=True)


def test_this_is_the_host_that_most_users_have() -> None:
    assert PURE_V2 and Path("/run/systemd/system").is_dir()


@pytest.mark.parametrize("how", ["restart", "stop and start", "kill"])
def test_no_container_ends_with_the_service(service: Endpoint, how: str) -> None:
    identity = service.run("sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done")
    pid = service.inspect(identity)["State"]["Pid"]
    main = _systemctl("show", "-P", "MainPID", "corral")
    if how == "restart":
        _systemctl("restart", "corral")
    elif how == "kill":
        os.kill(int(main), 9)  # Restart=on-failure brings it back
    else:
        _systemctl("stop", "corral")
        assert os.path.exists(f"/proc/{pid}")
        _systemctl("start", "corral")
    eventually(lambda: _systemctl("show", "-P", "MainPID", "corral") not in ("0", main), "another daemon", seconds=60)
    eventually(lambda: service.get("/_ping").status == 200, "it answers", seconds=60)
    state = service.inspect(identity)["State"]
    assert (state["Status"], state["Pid"]) == ("running", pid)
    assert service.execute(identity, "echo", "alive") == (0, "alive\n")
    assert service.post(f"/containers/{identity}/stop", query={"t": 0}).status == 204
    lines = service.output(identity).splitlines()
    assert lines == [str(number) for number in range(len(lines))]


def test_containers_live_in_a_slice_of_their_own(service: Endpoint) -> None:
    identity = service.run("sleep", "1000", HostConfig={"Memory": 64 << 20})
    pid = service.inspect(identity)["State"]["Pid"]
    group = Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::")
    assert group.startswith("/corral.slice/corral-containers.scope/"), group
    daemon = _systemctl("show", "-P", "ControlGroup", "corral")
    assert not group.startswith(daemon + "/"), "systemd ends a service's own group with the service"
    assert Path(f"/sys/fs/cgroup{group}/memory.max").read_text().strip() == str(64 << 20)
    delegated = _systemctl("show", "-P", "Delegate", "corral-containers.scope")
    assert delegated == "yes", "systemd knows that these groups are not its own"


def test_daemon_reload_disturbs_nobody(service: Endpoint) -> None:
    identity = service.run("sleep", "1000", HostConfig={"Memory": 64 << 20})
    pid = service.inspect(identity)["State"]["Pid"]
    group = Path(f"/proc/{pid}/cgroup").read_text()
    _systemctl("daemon-reload")
    assert Path(f"/proc/{pid}/cgroup").read_text() == group
    assert service.result("echo", "fine") == (0, "fine\n")


def test_stopped_and_down_leaves_nothing(service: Endpoint) -> None:
    service.run("sleep", "1000")
    _systemctl("stop", "corral")
    subprocess.run(["corral", "down", "--all"], check=True, timeout=120)
    assert not any("/corral" in folder for folder, _, _ in os.walk("/sys/fs/cgroup/corral.slice"))
    assert "corral" not in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    assert not [name for name in os.listdir("/sys/class/net") if name.startswith("c")]
    _systemctl("start", "corral")
