from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from corral.testing.isolated import clear_up
from corral.testing.leftovers import OWNER, find, hold


def test_who_is_held_is_left_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "corral-1", tmp_path / "corral-2"
    for root in (one, two, tmp_path / "corral-without-owner", tmp_path / "another"):
        root.mkdir()
    first, second = hold(one), hold(two)
    assert list(find(tmp_path)) == []
    os.close(first)
    for root in find(tmp_path):
        assert root == one
        assert list(find(tmp_path)) == []  # it is held while it is cleared up
    os.close(second)
    assert list(find(tmp_path)) == [one, two]


@pytest.mark.root
def test_what_others_have_put_there_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "corral-theirs"
    theirs.mkdir()
    os.close(hold(theirs))
    os.chown(theirs, 1000, 1000)
    ours = tmp_path / "ours"
    ours.mkdir()
    os.close(hold(ours))
    (tmp_path / "corral-link").symlink_to(ours)
    planted = tmp_path / "corral-planted"
    planted.mkdir()
    (planted / OWNER).symlink_to(ours / OWNER)
    assert list(find(tmp_path)) == []


def test_what_cannot_be_taken_away_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts an instance of their own is not to fail for it."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    root = tmp_path / "corral-1"
    (root / "config.toml").mkdir(parents=True)  # cannot be read
    os.close(hold(root))
    with pytest.warns(UserWarning, match="(?s)left behind by a process that was killed: .*/corral-1: .*is a directory"):
        clear_up()
