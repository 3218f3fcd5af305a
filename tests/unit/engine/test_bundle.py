"""The files of a bundle, written in place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.engine.bundle import _write


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """As a daemon has it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_nobody_executes_them(tmp_path: Path) -> None:
    _write(f"{tmp_path}/hosts", b"a")
    assert (tmp_path / "hosts").stat().st_mode & 0o777 == 0o644


def test_what_was_longer_ends_where_the_new_one_does(tmp_path: Path) -> None:
    _write(f"{tmp_path}/hosts", b"long")
    was = (tmp_path / "hosts").stat().st_ino
    _write(f"{tmp_path}/hosts", b"b")
    assert (tmp_path / "hosts").read_bytes() == b"b" and (tmp_path / "hosts").stat().st_ino == was
