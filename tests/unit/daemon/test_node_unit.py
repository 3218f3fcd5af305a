"""The unit of a machine that has joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.cli.instance import Instance
from corral.daemon import node_unit
from corral.daemon.node_unit import MARK, install, uninstall, unit_path
from corral.errors import Conflict


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What systemctl is asked for."""
    found: list[str] = []
    monkeypatch.setattr(node_unit, "systemctl", lambda *words: found.append(" ".join(words)))
    return found


def test_it_starts_the_node_as_it_was_joined(tmp_path: Path, asked: list[str]) -> None:
    instance = Instance("/srv/x")
    assert install(instance, ["--log-level=debug", "--dns=10.0.0.1 x"], str(tmp_path)) == "corral-c0fd"
    lines = Path(unit_path(instance, str(tmp_path))).read_text().splitlines()
    assert lines[0] == MARK and lines[1] == "[Unit]"
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith('corral --root /srv/x node --log-level=debug "--dns=10.0.0.1 x"')
    assert "RestartSec=5" in lines and "--token" not in start
    assert asked == ["daemon-reload", "enable --quiet corral-c0fd", "restart corral-c0fd"]


def test_a_second_time_is_fine_and_it_goes_with_the_node(tmp_path: Path, asked: list[str]) -> None:
    instance = Instance("/srv/x")
    for _ in range(2):
        install(instance, [], str(tmp_path))
    asked.clear()
    for _ in range(2):
        uninstall(instance, str(tmp_path))
    assert asked == ["disable --quiet corral-c0fd", "daemon-reload"] and list(tmp_path.iterdir()) == []


def test_somebody_elses_unit_is_left_alone(tmp_path: Path, asked: list[str]) -> None:
    instance = Instance("/srv/x")
    path = Path(unit_path(instance, str(tmp_path)))
    path.write_text("[Unit]\n")
    with pytest.raises(Conflict, match="is there already"):
        install(instance, [], str(tmp_path))
    uninstall(instance, str(tmp_path))
    assert path.read_text() == "[Unit]\n" and asked == []
