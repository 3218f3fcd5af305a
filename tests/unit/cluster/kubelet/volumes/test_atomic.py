"""Files that change together."""

from __future__ import annotations

import os
from pathlib import Path

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
