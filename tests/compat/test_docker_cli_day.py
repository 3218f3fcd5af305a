"""A scripted day with the real docker client, and the same day with a real dockerd beside it.

Every step's exit code and words are checked against the script on every machine; where a dockerd may be started
(CI=true or --peers) the answers of both are compared after `normal` and `reworded`.
"""

from __future__ import annotations

import os
import shutil
from functools import partial

import pytest

from tests.compat.day.differences import reworded
from tests.compat.day.peer import day_with_dockerd
from tests.compat.day.script import SCRIPT, Answers, live
from tests.compat.day.step import Step, normal
from tests.support.ahead import Work
from tests.support.endpoint import Endpoint

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]


def _clients() -> list[str]:
    """The docker clients at hand, newest first on PATH: any, and Debian's."""
    found = [path for path in (shutil.which("docker"), "/usr/bin/docker") if path and os.path.exists(path)]
    return list(dict.fromkeys(os.path.realpath(path) for path in found)) or [""]


# Not nice: what is compared with it is not, either.
PEERS = {client: Work(partial(day_with_dockerd, client), nice=0) for client in _clients()}


@pytest.fixture(scope="module", params=list(PEERS), ids=os.path.dirname)
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def answers(shared_engine: Endpoint, client: str) -> Answers:
    return live(shared_engine, client)


@pytest.fixture(scope="module")
def peers_answers(client: str) -> Answers:
    return PEERS[client]()


def test_the_script_is_a_whole_day() -> None:
    names = [step.name for step in SCRIPT]
    assert len(SCRIPT) >= 120
    doubled = {name for name in names if names.count(name) > 1}
    assert not doubled


@pytest.mark.parametrize("step", SCRIPT, ids=lambda step: step.name)
def test_step(step: Step, answers: Answers) -> None:
    answer = answers[step.name]
    assert not step.misses(answer), f"{step.misses(answer)}: {answer}"


@pytest.mark.peers
@pytest.mark.ahead.with_args(*PEERS.values())
@pytest.mark.parametrize("step", [step for step in SCRIPT if step.compare], ids=lambda step: step.name)
def test_same_as_dockerd(step: Step, answers: Answers, peers_answers: Answers) -> None:
    ours, theirs = answers[step.name], peers_answers[step.name]
    if "c" in step.compare:
        assert ours.code == theirs.code, f"{ours}\ndockerd: {theirs}"
    if "o" in step.compare:
        assert _comparable(ours.out, step) == _comparable(theirs.out, step)
    if "e" in step.compare:
        assert _comparable(ours.err, step) == _comparable(theirs.err, step)


def _comparable(text: str, step: Step) -> str:
    """Without what must differ, and in the words of no release in particular. Pure."""
    return reworded(normal(text, unordered=step.unordered))
