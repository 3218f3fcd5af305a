"""Files that change together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.kubelet.volumes.atomic import File, write


def seen(place: Path) -> dict[str, bytes]:
    """What who reads the volume finds."""
    return {
        str(path.relative_to(place)): path.read_bytes()
        for name in place.iterdir()
        if not name.name.startswith("..")
        for path in ([name] if name.is_file() else name.rglob("*"))
        if path.is_file()
    }


def test_all_files_at_once(tmp_path: Path) -> None:
    place = tmp_path / "v"
    assert write(str(place), {"k": File(b"1"), "a/b": File(b"2", 0o600)})
    assert seen(place) == {"k": b"1", "a/b": b"2"}
    assert os.stat(place / "a/b").st_mode & 0o777 == 0o600
    assert os.readlink(place / "k") == "..data/k"


def test_what_is_the_same_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "v"
    write(str(place), {"k": File(b"1")})
    before = os.readlink(place / "..data")
    assert not write(str(place), {"k": File(b"1")})
    assert os.readlink(place / "..data") == before


def test_a_change_replaces_everything(tmp_path: Path) -> None:
    place = tmp_path / "v"
    write(str(place), {"old": File(b"1"), "k": File(b"1"), "d/x": File(b"1")})
    assert write(str(place), {"k": File(b"2"), "new": File(b"2")})
    assert seen(place) == {"k": b"2", "new": b"2"}
    assert len([name for name in os.listdir(place) if name.startswith("..2")]) == 1


def test_who_has_it_open_keeps_the_old_one(tmp_path: Path) -> None:
    place = tmp_path / "v"
    write(str(place), {"k": File(b"1")})
    with open(place / "k", "rb") as file:
        write(str(place), {"k": File(b"2")})
        assert file.read() == b"1"


class Killed(BaseException):
    """The daemon is, here."""


@pytest.mark.parametrize("more", [False, True], ids=["as before", "changed again"])
def test_a_write_that_was_cut_short_anywhere_is_finished_by_the_next(tmp_path: Path, more: bool) -> None:
    left = 0

    def counted(usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return usual(*given, **named)

        return call

    wanted = {"k": File(b"2"), "new": File(b"2"), "e/y": File(b"2")}
    for steps in range(1000):
        place, left = tmp_path / f"v{steps}", steps
        write(str(place), {"old": File(b"1"), "k": File(b"1"), "d/x": File(b"1")})
        with pytest.MonkeyPatch.context() as patched:
            for name in ("mkdir", "symlink", "rename", "open", "unlink", "rmdir"):
                patched.setattr(os, name, counted(getattr(os, name)))
            try:
                write(str(place), wanted)
                break
            except Killed:
                pass
        last = {**wanted, "k": File(b"3")} if more else wanted
        write(str(place), last)
        assert seen(place) == {path: file.data for path, file in last.items()}, steps
        assert sum(name.startswith("..") for name in os.listdir(place)) == 2, steps
    assert steps > 10
