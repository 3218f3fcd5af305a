"""The reserve of a disk: taken while there is plenty, given up when it is full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from corral.engine import reserve


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the disk says that it has; the test changes it."""
    room = [reserve.PLENTY]
    monkeypatch.setattr(reserve, "_free", lambda root: room[0])
    return room


async def test_it_comes_and_goes(tmp_path: Path, free: list[int]) -> None:
    file = tmp_path / "reserve"
    reserve.tend(str(tmp_path))
    assert file.stat().st_size == reserve.SIZE
    assert reserve.advice(str(tmp_path)) == ""
    free[0] = reserve.NEEDED
    await reserve.tend_aside(str(tmp_path))
    assert file.exists(), "that is enough"
    free[0] -= 1
    await reserve.tend_aside(str(tmp_path))
    assert not file.exists()
    assert "is full" in reserve.advice(str(tmp_path))
    free[0] = reserve.PLENTY - 1
    reserve.tend(str(tmp_path))
    assert not file.exists(), "not out of the last room there is"


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    reserve.tend(str(tmp_path / "none"))
    assert os.listdir(tmp_path) == [] and reserve.advice(str(tmp_path / "none")) == ""


def test_what_cannot_be_taken_leaves_nothing(
    tmp_path: Path, free: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(fd: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    reserve.tend(str(tmp_path))
    assert os.listdir(tmp_path) == [] and "there is no reserve" in caplog.text


def test_one_that_was_killed_while_it_took_it_leaves_none(
    tmp_path: Path, free: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(fd: int, offset: int, size: int) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(os, "posix_fallocate", die)
        reserve.tend(str(tmp_path))
    assert not (tmp_path / "reserve").exists()
    reserve.tend(str(tmp_path))
    assert {one.name: one.stat().st_size for one in tmp_path.iterdir()} == {"reserve": reserve.SIZE}
