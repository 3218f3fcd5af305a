"""Exit statuses that the disk takes, and that it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from corral.runtime import exits as subject
from corral.runtime.exits import Exits


async def test_what_is_written_is_told_and_outlives_the_daemon(tmp_path: Path) -> None:
    exits = Exits(str(tmp_path))
    exits.write("a", 7)
    assert exits.read("a") == 7 and Exits(str(tmp_path)).read("a") == 7
    told: list[tuple[str, int]] = []
    await exits.start(lambda id, code: told.append((id, code)))
    assert told == [("a", 7)]
    await exits.close()


async def test_what_a_full_disk_does_not_take_is_told_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    exits = Exits(str(tmp_path))
    told: list[tuple[str, int]] = []
    await exits.start(lambda id, code: told.append((id, code)))
    monkeypatch.setattr(subject.os, "rename", full)
    exits.write("a", 255)
    assert told == [("a", 255)] and exits.read("a") == 255 and exits.known() == {"a"} and exits.when("a") is None
    assert os.listdir(tmp_path) == [], "nothing half written stays"
    exits.forget("a")
    assert exits.read("a") is None and exits.known() == set()
    await exits.close()
