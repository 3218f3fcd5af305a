"""Credential helpers: programs that somebody else wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.cli import accounts
from corral.cli.fail import Failure


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "config.json").write_text('{"credsStore": "odd"}')
    program = tmp_path / "docker-credential-odd"
    program.touch(0o755)
    return program


def test_a_helper_that_talks_nonsense_is_named(helper: Path) -> None:
    helper.write_text("#!/bin/sh\necho nonsense\n")
    with pytest.raises(Failure, match="docker-credential-odd get answered no JSON: `nonsense`"):
        accounts.account("localhost:5000", str(helper.parent / "config.json"))


def test_a_helper_that_names_nobody(helper: Path) -> None:
    helper.write_text("#!/bin/sh\necho '{}'\n")
    found = accounts.account("localhost:5000", str(helper.parent / "config.json"))
    assert found == {"serveraddress": "localhost:5000"}
