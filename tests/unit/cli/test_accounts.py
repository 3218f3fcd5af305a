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


def test_what_may_be_everybodys_goes_on_without_a_helper_that_fails(helper: Path) -> None:
    """docker pulls and pushes as nobody then; ours says so."""
    config, said = helper.parent / "config.json", list[str]()
    helper.write_text("#!/bin/sh\necho locked; exit 1\n")
    assert accounts.account_or_nobody("reg:5000", said.append, str(config)) == {"serveraddress": "reg:5000"}
    assert said == [
        "WARNING: error getting credentials - err: exit status 1, out: `locked`; "
        "going on without credentials for reg:5000"
    ]
    config.write_text("{")
    with pytest.raises(Failure, match="cannot be read"):
        accounts.account_or_nobody("reg:5000", said.append, str(config))


def test_a_build_goes_on_with_the_accounts_that_are_there(helper: Path) -> None:
    """One helper is missing, and its registries are told of once; another one and the file have accounts."""
    config, said = helper.parent / "config.json", list[str]()
    config.write_text(
        '{"credsStore": "gone", "credHelpers": {"a:1": "odd"}, "auths": {"a:1": {}, "c:1": {"auth": "dTpw"}}}'
    )
    helper.write_text("""#!/bin/sh\necho '{"Username": "me", "Secret": "s"}'\n""")
    assert accounts.everything(said.append, str(config)) == {
        "a:1": {"serveraddress": "a:1", "username": "me", "password": "s"}
    }
    assert said == [
        "WARNING: error getting credentials - docker-credential-gone: no such file or directory; "
        "going on without the credentials that it has"
    ]
    config.write_text('{"credHelpers": {"a:1": "gone"}, "auths": {"c:1": {"auth": "dTpw"}}}')
    assert list(accounts.everything(said.append, str(config))) == ["c:1"]
    assert said[1:] == [
        "WARNING: error getting credentials - docker-credential-gone: no such file or directory; "
        "going on without credentials for a:1"
    ]
