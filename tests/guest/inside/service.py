"""The default instance as a service of systemd, as the shipped unit says: for the tests inside the guest."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.endpoint import Endpoint
from tests.support.wait import PATIENCE

UNIT = Path("/etc/systemd/system/corral.service")
SCOPE = "corral-containers.scope"


def run(*command: str) -> str:
    """What a command that has to succeed prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=150 * PATIENCE)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def journal() -> str:
    """The last words of the service."""
    return run("journalctl", "-u", "corral", "-n", "40", "--no-pager")


def systemctl(*words: str) -> str:
    try:
        return run("systemctl", *words)
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{journal()}") from None


def install() -> None:
    UNIT.write_text(run("corral", "up", "--print-unit") + "\n")
    systemctl("daemon-reload")


def endpoint(folder: Path) -> Endpoint:
    """The running service; `folder` is for its clients' files."""
    return Endpoint("service", Path("/run/corral/docker.sock"), folder)


def show(property: str, unit: str = "corral") -> str:
    """One property of a unit."""
    return systemctl("show", "-P", property, unit)
