"""From the command line to an exit code."""

from __future__ import annotations

import pytest

from corral.cli.main import main


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["pss"], 1, "Did you mean `corral ps`?"),
        (["zzzzzz"], 1, "All commands: corral help"),
        (["--root", "/r", "swarm", "x"], 1, "docker -H unix:///r/run/docker.sock swarm x"),
        (["--root", "/r", "container", "fly"], 1, "docker -H unix:///r/run/docker.sock container fly"),
        (["network", "fly"], 1, "unknown command: corral network fly"),
        (["network", "create", "--subnet", "10.0.0.0/8", "--aux-address", "a=9.0.0.1", "x"], 1, "lies in no --subnet"),
        (["volume", "fly"], 1, "unknown command: corral volume fly"),
        (["volume", "rm"], 1, '"corral volume rm" requires at least 1 argument.'),
        (["--root", "/r", "run", "--gpus", "all", "x"], 125, "docker -H unix:///r/run/docker.sock run …"),
        (["run"], 1, '"corral run" requires at least 1 argument.'),
        (["--verbose", "ps"], 125, "unknown flag: --verbose"),
        (["--root", "/nonexistent", "ps"], 1, "Is it up? Start it: sudo corral --root /nonexistent up --detach"),
        (["inspect", "-f", "{{range .}}"], 1, "requires at least 1 argument"),
        (["completion", "tcsh"], 1, "there is no completion for 'tcsh': bash, zsh, fish"),
    ],
)
def test_what_goes_wrong(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    shown = capsys.readouterr()
    assert said in shown.err and shown.out == ""


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["help", "ps"], ["ps", "--help"], ["container"]])
def test_help_goes_to_stdout(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("Usage: corral")


def test_status_says_when_it_is_down(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", "/nonexistent", "status"]) == 3
    assert "Corral is down" in capsys.readouterr().out
