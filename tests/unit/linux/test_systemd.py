from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from corral.linux import systemd


def test_places() -> None:
    assert systemd.plan_place("", systemd=True).group == "/corral.slice/corral-containers.scope"
    assert systemd.plan_place("", systemd=False).scope == ""


@pytest.mark.parametrize(("says", "tries"), [(":", 1), ("echo Unknown assignment: OOMPolicy=continue; exit 1", 2)])
async def test_a_systemd_that_knows_less_makes_the_scope_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, tries: int
) -> None:
    """The stand-in says the pid that the keeper would: its caller's."""
    stand_in = tmp_path / "systemd-run"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncase "$*" in *OOM*) {says} ;; esac\necho $PPID\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    await systemd._start_scope(systemd.plan_place("", systemd=True))
    asked = (tmp_path / "asked").read_text().splitlines()
    assert ["OOMPolicy=continue" in line for line in asked] == [True, False][:tries]
    assert all("--property=Delegate=yes" in line and "--property=Before=corral.service" in line for line in asked)


def test_sd_notify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        address = systemd.take_notify_address()
        assert systemd.sd_notify(address, "READY=1")
        assert manager.recv(100) == b"READY=1"
    assert not systemd.sd_notify(address, "READY=1"), "nobody listens any more"
    assert systemd.take_notify_address() == "", "programs that we start do not get it"
    assert not systemd.sd_notify("", "READY=1")
