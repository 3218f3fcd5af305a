from __future__ import annotations

import socket
from pathlib import Path

import pytest

from corral.linux import systemd


def test_places() -> None:
    assert systemd.plan_place("", systemd=True).group == "/corral.slice/corral-containers.scope"
    assert systemd.plan_place("", systemd=False).scope == ""


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
